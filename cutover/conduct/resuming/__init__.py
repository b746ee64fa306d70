"""Runs that began earlier: which one is meant, where it stands on each host, going on with it or giving it up."""
