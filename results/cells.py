"""Cells: one number of a table, with whatever a reader must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results import signatures
from results.names import AXES, plain
from results.outcomes import outcomes_of
from results.signatures import Difference
from results.stats.intervals import Interval, Method, interval_of
from results.store import ResultsError
from results.ties import Bounds, bounds_of

if TYPE_CHECKING:
    import pandas as pd

MARKS = {
    "tied": ("=", "most queries have ties: the descriptors are constant, or nearly"),
    "test-selected": ("‡", "model selected on the evaluated images"),
    "transductive": ("*", "projection fitted on the evaluated images (transductive)"),
    "not ok": ("!", "the doctor found something wrong with the dataset: bench data verify"),
    "drawn training": ("†", "trained or fitted on drawn images (a twin)"),
    "seen classes": ("~", "trained or fitted on images of the evaluated classes"),
    "bad images left out": ("+", "unreadable images were left out; their number is in the report"),
}


@dataclass(frozen=True)
class Column:
    """One metric under one combination of column axes."""

    title: str
    """What the column axes are: SOP, or SOP dims=128."""
    label: str
    """What the metric is called."""
    where: dict[str, Any]
    metric: str

    @property
    def header(self) -> str:
        """Both."""
        return f"{self.title} {self.label}"


@dataclass(frozen=True)
class Cell:
    """A metric of one row in per cent, and what a reader must know of it."""

    value: float
    spread: float | None = None
    """Standard deviation over seeds, in points; None with one seed."""
    interval: Interval | None = None
    """Of the mean over seeds: how far other queries could have moved it. In per cent."""
    marks: tuple[str, ...] = ()
    """Names of MARKS."""
    signs: str = ""
    differences: tuple[Difference, ...] = ()
    bounds: Bounds | None = None
    verdict: str = ""
    """A sign of results.significance: whether it differs from the baseline's beyond chance."""

    @property
    def text(self) -> str:
        """The number as tables show it; -- where there is none."""
        if self.value != self.value:
            return "--"
        spread = "" if self.spread is None else f" ± {self.spread:.1f}"
        between = f" [{self.interval.low:.1f}, {self.interval.high:.1f}]" if self.interval else ""
        return f"{self.value:.1f}{spread}{self.signs}{self.verdict}{between}"

    @property
    def comparable(self) -> bool:
        """Whether it was measured as the rest of its column was."""
        return self.value == self.value and not signatures.untold(self.differences)


MISSING = Cell(float("nan"))


def reports_of(row: pd.DataFrame, column: Column) -> pd.DataFrame:
    """A row's reports that have the column's metric; ResultsError if they are no seeds of one."""
    group = row
    for axis, value in column.where.items():
        group = group[group[axis].isna() if value != value else group[axis] == value]
    group = group[group[column.metric].notna()]
    _check_seeds(group, column)
    return group


def cell_of(group: pd.DataFrame, metric: str, method: Method | None = None) -> Cell:
    """Make a cell of the reports of one row and column, seeds averaged."""
    if group.empty:
        return MISSING
    percent = 100 * group[metric].astype(float)
    found = {mark for marks in group["marks"] for mark in marks}
    marks = tuple(name for name in MARKS if name in found)
    differences = signatures.differences_in(group)
    bounds = bounds_of(group, metric)
    signs = [MARKS[name][0] for name in marks]
    signs += [MARKS["tied"][0]] if bounds and bounds.visible else []
    signs += [signatures.SIGN] if signatures.untold(differences) else []
    return Cell(
        value=float(percent.mean()),
        spread=float(percent.std()) if len(percent) > 1 else None,
        interval=_interval(group, metric, method) if method else None,
        marks=marks,
        signs="".join(dict.fromkeys(signs)),
        differences=tuple(differences),
        bounds=bounds,
    )


def _interval(group: pd.DataFrame, metric: str, method: Method) -> Interval:
    found = interval_of(outcomes_of(group, metric), method)
    return Interval(100 * found.low, 100 * found.high)


def _check_seeds(group: pd.DataFrame, column: Column) -> None:
    for axis in AXES:
        if axis != "seed" and group[axis].nunique(dropna=False) > 1:
            values = ", ".join(sorted({plain(value) for value in group[axis]}))
            raise ResultsError(
                f"{len(group)} reports fall into one cell of {column.header}: they differ in "
                f"{axis} ({values}); add {axis} to --rows or --cols"
            )
