"""Phase 0: is this host what the plan expects, is V1 in service, does anything stand in the way? Changes nothing."""
