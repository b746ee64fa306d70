"""The commands that look and judge outside a run, and change nothing."""
