"""Table: what every view of the results ends in, before it is text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Emphasis = Literal["", "best", "second"]


@dataclass(frozen=True)
class Table:
    """Text cells and the numbers behind them. The marks of a cell are explained in the notes."""

    headers: list[str]
    body: list[list[str]]
    numbers: pd.DataFrame
    """The same cells unrounded: metrics in per cent, costs in their column's unit; more columns may
    follow that say more of a cell (ends of its interval, spread of its seeds)."""
    notes: list[str]
    marks: list[str]
    """Of each row: header and marks of its marked cells."""
    over: Sequence[str] = ()
    """What stands above each header, of which it is the beginning: a dataset above its metrics."""
    emphasis: Sequence[Sequence[Emphasis]] = ()
    """Of each cell."""
    groups: Sequence[str] = ()
    """Of each row: the title of the group it belongs to. Groups are told apart by rules."""

    def emphasis_of(self, row: int, column: int) -> Emphasis:
        """How a cell is to be shown."""
        return self.emphasis[row][column] if self.emphasis else ""

    def label(self, column: int) -> str:
        """A header without what stands above it."""
        above = self.over[column] if self.over else ""
        return self.headers[column].removeprefix(above).strip() if above else self.headers[column]

    def spans(self) -> list[tuple[str, int, int]]:
        """What stands above the headers, with its first and its last column."""
        found: list[tuple[str, int, int]] = []
        for place, title in enumerate(self.over):
            if found and found[-1][0] == title:
                found[-1] = (title, found[-1][1], place)
            else:
                found.append((title, place, place))
        return [span for span in found if span[0]]

    def group_starts(self) -> dict[int, str]:
        """Row -> title, of each row that begins a group."""
        return {
            place: title
            for place, title in enumerate(self.groups)
            if place == 0 or title != self.groups[place - 1]
        }
