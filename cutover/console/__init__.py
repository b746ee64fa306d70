"""What is printed while a command runs, and after it."""
