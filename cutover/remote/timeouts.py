"""Every limit of the work on hosts: how many at once, and how long each may take."""

FORKS = 10  # hosts at work at once
