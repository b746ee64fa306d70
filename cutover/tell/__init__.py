"""What people see: the console, the log, the report, the runbook. Reads the journal, changes nothing."""
