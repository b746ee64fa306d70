"""Phase 4: V2's config, unit and release are switched in, each atomically; V2 is started, enabled, ready. Here the outage ends."""
