"""Tables: reports pivoted into rows of axes and columns of metrics, in several formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results import signatures
from results.cells import Cell, Column, cell_of
from results.names import AXES, SAME_AS, by_title, is_metric, metric_label, plain, title_of
from results.notes import explained, table_notes
from results.signatures import Difference
from results.store import ResultsError, unknown

if TYPE_CHECKING:
    import pandas as pd

ROWS = ("backbone", "dims")
"""Row axes where none are asked for; others that vary join them."""
COSTS = {
    "parameters": ("params (M)", 1e-6, ".1f"),
    "gmacs": ("GMACs", 1.0, ".2f"),
    "bytes_per_image": ("bytes", 1.0, ".0f"),
}


@dataclass(frozen=True)
class Table:
    """Text cells and the numbers behind them. The marks of a cell are explained in the notes."""

    headers: list[str]
    body: list[list[str]]
    numbers: pd.DataFrame
    """The same cells unrounded: metrics in per cent, costs in their column's unit."""
    notes: list[str]
    marks: list[str]
    """Of each row: header and marks of its marked cells."""


def make_table(
    frame: pd.DataFrame,
    *,
    rows: Sequence[str] = (),
    cols: Sequence[str] = ("dataset",),
    metrics: Sequence[str] = (),
    strict: bool = False,
) -> Table:
    """Pivot reports; metrics default to those by which each dataset is quoted.

    Seeds that share a cell are averaged; raises ResultsError where anything else would be, and,
    if strict, where a column mixes protocols, which are else marked.
    """
    import pandas as pd

    if frame.empty:
        raise ResultsError("there are no finished cells yet: bench run makes some")
    _check_axes([*rows, *cols])
    # Reports that are not shown must not decide which protocol is the usual one.
    frame, older = _newest(frame.sort_values("finished", kind="stable"))
    frame = signatures.mark_protocols(frame)
    row_axes = list(rows) or _row_axes(frame, cols)
    columns = _columns(frame, list(cols), list(metrics))
    costs = [name for name in COSTS if _one_per_row(frame, row_axes, name)]
    body, numbers, grid = [], [], []
    for values, group in frame.groupby(row_axes, sort=False, dropna=False):
        shown = [plain(value) for value in values]
        costed = [float(group[name].iloc[0]) * COSTS[name][1] for name in costs]
        cells = [cell_of(group, column) for column in columns]
        formats = zip(costed, costs, strict=True)
        texts = [format(value, COSTS[name][2]) for value, name in formats]
        body.append([*shown, *texts, *(cell.text for cell in cells)])
        numbers.append([*shown, *costed, *(cell.value for cell in cells)])
        grid.append(cells)
    if strict:
        signatures.refuse_mixed(_mixed(columns, grid))
    headers = [*row_axes, *(COSTS[name][0] for name in costs), *(c.header for c in columns)]
    names = [" ".join(texts[: len(row_axes)]) for texts in body]
    notes = [
        *table_notes(frame, row_axes, cols),
        *explained(columns, names, grid),
        *older,
        *signatures.signature_notes(by_title(frame, ["dataset"])),
    ]
    table = pd.DataFrame(numbers, columns=headers)
    return Table(headers, body, table, notes, [_marked(columns, cells) for cells in grid])


def _newest(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep the last report of each combination of axes: others are of changed images or weights.

    Reports that agree in every axis are no seeds, so they are not to be averaged.
    """
    kept = frame.drop_duplicates(subset=list(AXES), keep="last")
    older = len(frame) - len(kept)
    note = f"{older} older reports of the same cells are not shown: their inputs have changed"
    return kept, [note] if older else []


def _check_axes(names: Sequence[str]) -> None:
    for name in names:
        if name not in AXES:
            raise unknown("axis", name, AXES)


def _row_axes(frame: pd.DataFrame, cols: Sequence[str]) -> list[str]:
    """backbone, dims, and every axis that still tells two reports of one cell apart."""
    axes = [axis for axis in ROWS if axis not in cols]
    for axis in AXES:
        if axis in axes or axis in cols or axis == "seed":
            continue
        values = frame[axis].fillna(frame[SAME_AS[axis]]) if axis in SAME_AS else frame[axis]
        groups = values.groupby([frame[name] for name in [*axes, *cols]], dropna=False)
        if (groups.nunique() > 1).any():  # an axis that does not matter to a report tells nothing
            axes.append(axis)
    return axes


def _columns(frame: pd.DataFrame, cols: list[str], metrics: list[str]) -> list[Column]:
    columns: list[Column] = []
    known = sorted({name for name in frame.columns if is_metric(name)})
    for name in metrics:
        if name not in known:
            raise unknown("metric", name, known)
    for values, group in frame.groupby(cols, sort=False, dropna=False):
        where = dict(zip(cols, values, strict=True))
        wanted = metrics or group["headline"].iloc[0]
        present = [name for name in wanted if group[name].notna().any()]
        for name in present:
            header = " ".join([*(title_of(group, axis) for axis in cols), metric_label(name)])
            columns.append(Column(header, where, name))
    return columns


def _one_per_row(frame: pd.DataFrame, row_axes: list[str], name: str) -> bool:
    return bool((frame.groupby(row_axes, dropna=False)[name].nunique() == 1).all())


def _mixed(
    columns: Sequence[Column], grid: Sequence[Sequence[Cell]]
) -> list[tuple[str, list[Difference]]]:
    """What differs in each column, with its header."""
    return [
        (column.header, [found for cell in cells for found in cell.differences])
        for column, cells in zip(columns, zip(*grid, strict=True), strict=True)
    ]


def _marked(columns: Sequence[Column], cells: Sequence[Cell]) -> str:
    """A row's marks in words of its columns, for formats whose numbers stay bare."""
    marked = zip(columns, cells, strict=True)
    return "; ".join(f"{column.header} {cell.signs}" for column, cell in marked if cell.signs)
