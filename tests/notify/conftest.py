"""The fake hosts, for every test of how a run goes."""

from tests.run.fakehosts import world

__all__ = ["world"]
