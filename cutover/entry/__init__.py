"""What each command does: read the options, conduct, tell, end with the one table's exit code."""
