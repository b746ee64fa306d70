"""Fixtures that most of these tests need."""

from tests.run.fakehosts import world
from tests.run.killing import machines

__all__ = ["machines", "world"]
