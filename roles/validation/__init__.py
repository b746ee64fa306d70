"""Phase 5: V2 in service is judged on this host, on real input, through its deployed entry point."""
