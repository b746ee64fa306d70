"""docs/runbook.md, made from the phases, the roles and the exit codes."""
