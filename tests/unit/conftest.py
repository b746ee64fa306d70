"""The fake hosts, for every test of how a run goes."""

from tests.unit.conduct.fakehosts import world

__all__ = ["world"]
