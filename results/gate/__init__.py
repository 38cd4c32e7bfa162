"""The gate: a run held to a stored baseline, query by query."""
