"""What came out: reports as a DataFrame, and tables. Imports no bench, registry or torch."""

from results.store import load

__all__ = ["load"]
