"""Phase 3: V1 ends by itself, and what it leaves is kept. Here the outage begins."""
