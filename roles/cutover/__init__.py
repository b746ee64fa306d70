"""The engine's own variables: leases, deadlines, batches, bake time. It has no steps."""
