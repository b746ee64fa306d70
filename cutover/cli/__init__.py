"""What each task does: options in, exit code out."""
