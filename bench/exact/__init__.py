"""Exact scoring: how many gallery images outrank each relevant one, at the speed of a product."""
