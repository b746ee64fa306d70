"""The host agent itself, for the tests of this room."""

from tests.unit.hostside.here import agent

__all__ = ["agent"]
