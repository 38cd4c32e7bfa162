"""Exact retrieval metrics, as pure functions on arrays; definitions in each docstring."""
