"""A run: plan, approve, prepare, commit, confirm; roll back, resume, abort."""
