"""Evidence: one signed bundle of all that a run left, and the judgement of one."""
