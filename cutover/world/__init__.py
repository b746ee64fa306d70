"""What is outside the process: hosts over SSH, the journal, run directories, release artifacts."""
