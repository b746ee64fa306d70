"""A run in the terminal while it goes, and its last words there; the same as plain lines in the log."""
