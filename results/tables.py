"""Tables: reports pivoted into rows of axes and columns of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from results import grouping, signatures
from results.beside import published_beside, refuse_unlike, with_published, with_systems
from results.cells import Cell, Column, cell_of, reports_of
from results.chosen import check_finished, check_metrics, newest
from results.emphasis import emphasised
from results.names import AXES, SAME_AS, by_title, metric_label, plain, title_of, told_apart
from results.notes import explained, interval_note, table_notes
from results.signatures import Difference
from results.significance import find_row, judged
from results.stats.intervals import Method
from results.store import unknown
from results.table import Emphasis, Table

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
class Extras:
    """What a table shows beside its numbers."""

    group: str = ""
    """gmacs, params, bytes (about equal ones together) or an axis."""
    intervals: Method | None = None
    baseline: Mapping[str, str] = field(default_factory=dict)
    """Axis -> value of the row that the others are tested against."""
    published: bool = False
    """Whether published numbers of the same cells stand beside ours, with the difference."""
    systems: bool = False
    """Whether rows of published systems follow."""


@dataclass(frozen=True)
class Row:
    """One combination of row axes."""

    shown: tuple[str, ...]
    """Values of the row axes."""
    costs: tuple[float, ...]
    """Of COSTS, those that are one number in every row."""
    reports: pd.DataFrame


def make_table(
    frame: pd.DataFrame,
    *,
    rows: Sequence[str] = (),
    cols: Sequence[str] = ("dataset",),
    metrics: Sequence[str] = (),
    strict: bool = False,
    extras: Extras = Extras(),
) -> Table:
    """Pivot reports; metrics default to those by which each dataset is quoted.

    Seeds that share a cell are averaged; raises ResultsError where anything else would be, and,
    if strict, where a column mixes protocols, which are else marked.
    """
    check_finished(frame)
    _check_axes([*rows, *cols])
    # Reports that are not shown must not decide which protocol is the usual one.
    frame, older = _newest(told_apart(frame))
    frame = signatures.mark_protocols(frame)
    axes = list(rows) or _row_axes(frame, cols)
    pivot = _pivot(frame, axes, _columns(frame, list(cols), list(metrics)), extras)
    pivot, verdicts = _tested(pivot, extras.baseline)
    if strict:
        signatures.refuse_mixed(_mixed(pivot))
    notes = [
        *table_notes(frame, axes, cols),
        *([interval_note(extras.intervals)] if extras.intervals else []),
        *verdicts,
        *explained(pivot.columns, pivot.names, pivot.grid),
        *older,
        *signatures.signature_notes(by_title(frame, ["dataset"])),
    ]
    return _with_others(_assembled(pivot, notes), pivot, extras, strict=strict)


@dataclass(frozen=True)
class Pivot:
    """Rows and columns, and what stands where they cross."""

    axes: Sequence[str]
    """Of the rows."""
    costs: Sequence[str]
    columns: Sequence[Column]
    rows: Sequence[Row]
    groups: Sequence[str]
    """Title of each row's group; empty where rows are not grouped."""
    reports: Sequence[Sequence[pd.DataFrame]]
    """Row by row, column by column: seeds of one cell, or none."""
    grid: Sequence[Sequence[Cell]]
    """The same, averaged."""

    @property
    def names(self) -> list[str]:
        """Of the rows."""
        return [" ".join(row.shown) for row in self.rows]

    @property
    def first(self) -> list[str]:
        """Headers of what comes before the metrics."""
        return [*self.axes, *(COSTS[name][0] for name in self.costs)]


def _pivot(
    frame: pd.DataFrame, axes: list[str], columns: Sequence[Column], extras: Extras
) -> Pivot:
    costs = [name for name in COSTS if _one_per_row(frame, axes, name)]
    rows = _rows(frame, axes, costs)
    rows, groups = _arranged(rows, _groups(rows, axes, extras.group), extras.group)
    reports = [[reports_of(row.reports, column) for column in columns] for row in rows]
    grid = [
        [
            cell_of(group, column.metric, extras.intervals)
            for group, column in zip(groups_of_row, columns, strict=True)
        ]
        for groups_of_row in reports
    ]
    return Pivot(axes, costs, columns, rows, groups, reports, grid)


def _tested(pivot: Pivot, baseline: Mapping[str, str]) -> tuple[Pivot, list[str]]:
    """Test the cells against those of the baseline's row, if there is one, and say how."""
    if not baseline:
        return pivot, []
    place = find_row(baseline, pivot.axes, [row.shown for row in pivot.rows])
    metrics = [column.metric for column in pivot.columns]
    grid, note = judged(pivot.grid, pivot.reports, pivot.names, metrics, place)
    return replace(pivot, grid=grid), [f"baseline: {pivot.names[place]}", note]


def _with_others(table: Table, pivot: Pivot, extras: Extras, *, strict: bool) -> Table:
    """Add what others have published, where it is asked for."""
    if extras.published:
        found = published_beside(pivot.columns, pivot.names, pivot.reports, pivot.grid)
        if strict:
            refuse_unlike(found)
        table = with_published(table, found, len(pivot.first))
    return with_systems(table, pivot.columns) if extras.systems else table


def _assembled(pivot: Pivot, notes: list[str]) -> Table:
    """Put rows, costs and cells side by side."""
    body = [
        [*row.shown, *_cost_texts(row, pivot.costs), *(cell.text for cell in cells)]
        for row, cells in zip(pivot.rows, pivot.grid, strict=True)
    ]
    none: list[Emphasis] = [""] * len(pivot.first)
    emphasis = emphasised(pivot.grid, pivot.groups or [""] * len(body))
    return Table(
        headers=[*pivot.first, *(column.header for column in pivot.columns)],
        body=body,
        numbers=_numbers(pivot),
        notes=notes,
        marks=[_marked(pivot.columns, cells) for cells in pivot.grid],
        over=[*[""] * len(pivot.first), *(column.title for column in pivot.columns)],
        emphasis=[[*none, *found] for found in emphasis],
        groups=pivot.groups,
    )


def _cost_texts(row: Row, costs: Sequence[str]) -> list[str]:
    return [format(value, COSTS[name][2]) for value, name in zip(row.costs, costs, strict=True)]


def _numbers(pivot: Pivot) -> pd.DataFrame:
    """The cells unrounded; seeds' spread and ends of intervals in columns of their own."""
    import pandas as pd

    records = []
    for row, cells in zip(pivot.rows, pivot.grid, strict=True):
        record = dict(zip(pivot.first, [*row.shown, *row.costs], strict=True))
        told = list(zip(pivot.columns, cells, strict=True))
        record |= {column.header: cell.value for column, cell in told}
        for column, cell in told:
            if cell.spread is not None:
                record[f"{column.header} std"] = cell.spread
            if cell.interval:
                record[f"{column.header} low"] = cell.interval.low
                record[f"{column.header} high"] = cell.interval.high
        records.append(record)
    return pd.DataFrame(records)


def _rows(frame: pd.DataFrame, axes: list[str], costs: Sequence[str]) -> list[Row]:
    return [
        Row(
            shown=tuple(plain(value) for value in values),
            costs=tuple(float(group[name].iloc[0]) * COSTS[name][1] for name in costs),
            reports=group,
        )
        for values, group in frame.groupby(axes, sort=False, dropna=False)
    ]


def _groups(rows: Sequence[Row], axes: Sequence[str], name: str) -> list[str]:
    """The title of each row's group; none where rows are not grouped."""
    if not name:
        return []
    grouping.check_grouping(name, axes)
    if name in grouping.COSTS:
        return grouping.by_cost(name, _least_costs(rows, name))
    return grouping.by_axis(name, [row.shown[axes.index(name)] for row in rows])


def _least_costs(rows: Sequence[Row], name: str) -> list[float]:
    """A cost of each row; of several (of several resolutions, say) the least."""
    return [float(row.reports[grouping.COSTS[name]].min()) for row in rows]


def _arranged(rows: list[Row], groups: list[str], name: str) -> tuple[list[Row], list[str]]:
    """Bring the rows of a group together."""
    if not groups:
        return rows, groups
    order = grouping.arranged(groups, _least_costs(rows, name) if name in grouping.COSTS else None)
    return [rows[place] for place in order], [groups[place] for place in order]


def _newest(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The last report of each combination of axes, and a note on the others."""
    kept = newest(frame)
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
    check_metrics(frame, metrics)
    for values, group in frame.groupby(cols, sort=False, dropna=False):
        where = dict(zip(cols, values, strict=True))
        wanted = metrics or group["headline"].iloc[0]
        title = " ".join(title_of(group, axis) for axis in cols)
        columns += [
            Column(title, metric_label(name), where, name)
            for name in wanted
            if group[name].notna().any()
        ]
    return columns


def _one_per_row(frame: pd.DataFrame, row_axes: list[str], name: str) -> bool:
    return bool((frame.groupby(row_axes, dropna=False)[name].nunique() == 1).all())


def _mixed(pivot: Pivot) -> list[tuple[str, list[Difference]]]:
    """What differs in each column, with its header."""
    return [
        (column.header, [found for cell in cells for found in cell.differences])
        for column, cells in zip(pivot.columns, zip(*pivot.grid, strict=True), strict=True)
    ]


def _marked(columns: Sequence[Column], cells: Sequence[Cell]) -> str:
    """A row's marks in words of its columns, for formats whose numbers stay bare."""
    marked = zip(columns, cells, strict=True)
    return "; ".join(
        f"{column.header} {cell.signs}{cell.verdict}"
        for column, cell in marked
        if cell.signs + cell.verdict
    )
