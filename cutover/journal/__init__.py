"""The journal of a run and the run directory: the only writer of what happened."""
