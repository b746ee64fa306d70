"""Phase 2: V2's release lies beside V1's, passes its own tests on this host, and computes plausible values from this host's data."""
