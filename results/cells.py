"""Cells: one number of a table, with whatever a reader must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results import signatures
from results.names import AXES, plain
from results.signatures import Difference
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

    header: str
    where: dict[str, Any]
    metric: str


@dataclass(frozen=True)
class Cell:
    """A metric of one row: its text, its value in per cent, and what a reader must know of it."""

    text: str
    value: float
    marks: tuple[str, ...] = ()
    """Names of MARKS."""
    signs: str = ""
    differences: tuple[Difference, ...] = ()
    bounds: Bounds | None = None


def cell_of(row: pd.DataFrame, column: Column) -> Cell:
    """Make a cell of a row's reports; raises ResultsError where several are no seeds of one."""
    group = _under(row, column)
    if group.empty:
        return Cell("--", float("nan"))
    _check_seeds(group, column)
    percent = 100 * group[column.metric].astype(float)
    found = {mark for marks in group["marks"] for mark in marks}
    marks = tuple(name for name in MARKS if name in found)
    differences = signatures.differences_in(group)
    bounds = bounds_of(group, column.metric)
    signs = [MARKS[name][0] for name in marks]
    signs += [MARKS["tied"][0]] if bounds and bounds.visible else []
    signs += [signatures.SIGN] if signatures.untold(differences) else []
    shown = "".join(dict.fromkeys(signs))
    spread = f" ± {percent.std():.1f}" if len(percent) > 1 else ""
    mean = float(percent.mean())
    return Cell(f"{mean:.1f}{spread}{shown}", mean, marks, shown, tuple(differences), bounds)


def _under(row: pd.DataFrame, column: Column) -> pd.DataFrame:
    """The reports of a row that have the column's metric."""
    for axis, value in column.where.items():
        row = row[row[axis].isna() if value != value else row[axis] == value]
    return row[row[column.metric].notna()]


def _check_seeds(group: pd.DataFrame, column: Column) -> None:
    for axis in AXES:
        if axis != "seed" and group[axis].nunique(dropna=False) > 1:
            values = ", ".join(sorted({plain(value) for value in group[axis]}))
            raise ResultsError(
                f"{len(group)} reports fall into one cell of {column.header}: they differ in "
                f"{axis} ({values}); add {axis} to --rows or --cols"
            )
