"""Channels, escalation and the texts of notices."""
