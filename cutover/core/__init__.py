"""Verdicts, errors with their exit codes, steps, secrets: the values that every room speaks in."""
