"""People around a run: who is told what, what they answer before it, and what the journal keeps of both."""
