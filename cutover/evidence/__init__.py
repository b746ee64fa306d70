"""The evidence of a run in one signed bundle, and its verification."""
