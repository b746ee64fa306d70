"""Roles, phases, rendered files, the diff, the plan and the gate: pure, known before any change."""
