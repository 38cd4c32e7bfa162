"""Ties: how far a table's numbers depend on the order of equally similar images.

A number is the expected value over all orders; its bounds are what it becomes in the worst order
and in the best, which is what other code reports without saying so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

VISIBLE = 0.05
"""Points: half of the last digit that tables show."""
MOST_NOTES = 3


@dataclass(frozen=True)
class Bounds:
    """What a metric, in per cent, becomes in the worst and in the best order of ties."""

    lower: float
    upper: float

    @property
    def width(self) -> float:
        """How much the order decides, in points."""
        return self.upper - self.lower

    @property
    def visible(self) -> bool:
        """Whether a table's digits tell the two apart."""
        return self.width >= VISIBLE and f"{self.lower:.1f}" != f"{self.upper:.1f}"


def bounds_of(cell: pd.DataFrame, metric: str) -> Bounds | None:
    """Bounds of a cell's metric, of the mean where it has several seeds; None if none are known.

    A seed without bounds counts with its own value: it has no ties, or nobody counted them.
    """
    names = [f"bounds.{metric}.{end}" for end in ("lower", "upper")]
    if not set(names) <= set(cell.columns) or cell[names].isna().all(axis=None):
        return None
    lower, upper = (cell[name].fillna(cell[metric]).astype(float).mean() for name in names)
    return Bounds(100 * float(lower), 100 * float(upper))


def tie_notes(cells: Iterable[tuple[str, str, Bounds | None]]) -> list[str]:
    """Say of (column, row, bounds) which numbers hang on the order of ties, the widest first."""
    found = [(column, row, bounds) for column, row, bounds in cells if bounds and bounds.visible]
    found.sort(key=lambda one: -one[2].width)
    notes = [
        f"= ties: {column} of {row} lies between {bounds.lower:.1f} and {bounds.upper:.1f}, "
        "depending on their order"
        for column, row, bounds in found[:MOST_NOTES]
    ]
    more = len(found) - len(notes)
    return [*notes, f"= ties: and {more} more numbers"] if more else notes
