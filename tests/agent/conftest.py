"""The host agent itself, for the tests of this room."""

from tests.agent.here import agent

__all__ = ["agent"]
