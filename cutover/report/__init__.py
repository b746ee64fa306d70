"""The HTML report, the runbook and the Prometheus files."""
