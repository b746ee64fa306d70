"""What people see of a watch: live, as a table, on the report's page. All of it is made of the watch's journal alone."""
