"""Finding: what one check of the doctor says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """The outcome of a check."""

    check: str
    verdict: Literal["ok", "note", "problem"]
    """note: known of the benchmark or harmless, but a reader of its numbers may want to know."""
    text: str
    advice: str = ""
    """What to do about it."""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", text)


def some(items: Sequence[str], most: int = 3) -> str:
    """Name the first few of many."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
