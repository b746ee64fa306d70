"""What should be on the hosts, role by role. One role for each phase, named after it; service and cutover only declare variables."""
