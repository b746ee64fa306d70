"""The watch as people see it: live, as a table, in the status."""
