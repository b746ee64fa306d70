"""The values that every room speaks in: verdicts, errors, hosts, steps."""
