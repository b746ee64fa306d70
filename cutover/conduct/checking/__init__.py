"""testinfra over our own connections: in-process after each phase, or alone with plain pytest."""
