"""Judges a watch: rules as data over samples, the cadence of its rows, its decision points. Pure; only `rules` reads a file."""
