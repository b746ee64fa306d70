"""Pure decisions: from inventory, variables and roles to a plan, and from evidence to a gate's answer."""
