"""Content: what a figure shows, as a table, point by point, and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.figures.variants import Variant
from results import signatures
from results.cells import MARKS
from results.names import by_title
from results.notes import table_notes
from results.table import Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Content:
    """One figure."""

    table: Table
    """What a reader would read off it."""
    points: pd.DataFrame
    """All that is drawn, a row per point."""
    draw: Callable[[], Figure]
    remarks: Sequence[str] = ()
    """Notes that whoever draws it is told too: a figure has no place for them."""

    @property
    def as_points(self) -> Table:
        """The points as a table, for CSV."""
        return replace(
            self.table,
            headers=list(self.points.columns),
            body=[],
            numbers=self.points,
            marks=[""] * len(self.points),
            over=(),
        )


def titles(frame: pd.DataFrame) -> str:
    """Name the datasets that are shown: a twin's name says that it is one."""
    return ", ".join(frame["dataset_title"].unique())


def notes_of(frame: pd.DataFrame, said: Sequence[str]) -> list[str]:
    """What is said under a figure's table: its own notes, then how its cells were measured."""
    frame = signatures.mark_protocols(frame)
    first, *others = table_notes(frame, ["loss"], ["dataset"])
    marks = {mark for found in frame["marks"] for mark in found}
    signs = [f"{sign} {text}" for name, (sign, text) in MARKS.items() if name in marks]
    fixed = [text] if (text := first.removeprefix("metrics in %").removeprefix("; ")) else []
    signed = signatures.signature_notes(by_title(frame, ["dataset"]))
    return [*said, *fixed, *others, *signs, *_mixed(frame), *signed]


def _mixed(frame: pd.DataFrame) -> list[str]:
    """Name the reports that were measured under another protocol than the others."""
    odd = frame[frame["odd_protocol"].map(lambda found: bool(signatures.untold(found)))]
    if odd.empty:
        return []
    found = [one for differences in odd["odd_protocol"] for one in signatures.untold(differences)]
    return [f"{signatures.mixed_note(found)} (reports {', '.join(odd['key'])})"]


def signs_of(variant: Variant) -> str:
    """The signs of a variant's marks, which notes explain."""
    found = {mark for report in variant.reports for mark in report["marks"]}
    return "".join(sign for name, (sign, _) in MARKS.items() if name in found)
