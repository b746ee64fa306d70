"""Fixtures that most of these tests need."""

from tests.run.fakehosts import world
from tests.run.killing import confirmed, machines

__all__ = ["confirmed", "machines", "world"]
