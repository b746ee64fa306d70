"""Phase 1: what is needed to bring V1 back, taken from the running V1, proved, and kept on the host."""
