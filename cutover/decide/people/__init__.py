"""Who is told what and when, and who has to say go: contacts, severities, escalation, checklist. Data and pure functions."""
