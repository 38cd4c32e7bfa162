"""Pareto: which cells are worth their cost, as bench report --pareto shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results.analysis.context import context_notes, metric_header
from results.analysis.costs import Cost, find_cost
from results.analysis.estimates import MISSING, signed
from results.analysis.fronts import NONE, Point, front, points_of
from results.analysis.study import Study, studies_of
from results.cells import Cell, Column, cell_of
from results.names import AXES, metric_label
from results.notes import explained, interval_note
from results.significance import ALIKE
from results.store import ResultsError
from results.table import Emphasis, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["front", "pareto_table"]

ON_FRONT = (
    f"on front: no other cell costs at most as much and is at least as good (the same in both: "
    f"all are on it); {ALIKE} for no: dominated, but not clearly; {ALIKE} after yes: not clearly "
    "better than the next cheaper (the interval of Δ holds 0, or seeds move it by as much)"
)
DIFFERENCE = (
    "Δ: difference in points to the cell beside it: of a cell on the front to the next cheaper on "
    "it, of others to the best of the front that costs no more"
)


@dataclass(frozen=True)
class Row:
    """A cell of a study, placed."""

    study: Study
    point: Point
    cell: Cell

    @property
    def status(self) -> str:
        """Whether it is on the front, and whether that is clear."""
        sign = ALIKE if self.point.unclear else ""
        return f"yes{sign}" if self.point.on_front else sign or "no"

    @property
    def against(self) -> str:
        """The cell it is held against."""
        return "" if self.point.rival == NONE else self.study.label(self.point.rival)


def pareto_table(frame: pd.DataFrame, cost: str, metrics: Sequence[str] = ()) -> Table:
    """Show each dataset's cells by cost and metric: first the front, then those that it dominates.

    cost: gmacs, params, bytes, dims, or another number of the reports' costs. Raises ResultsError
    where it is none.
    """
    studies, notes = studies_of(frame, metrics)
    chosen = find_cost(frame, cost)
    rows: list[Row] = []
    for study in studies:
        points, lacking = points_of(study, chosen.column)
        notes += lacking
        rows += [
            Row(study, point, cell_of(study.reports(point.cell), study.metric)) for point in points
        ]
    if not rows:
        raise ResultsError(f"no finished cell has {chosen.column}: ask for another cost")
    shown = [study for study in studies if any(row.study is study for row in rows)]
    notes = [ON_FRONT, DIFFERENCE, *_intervals_told(rows), *_explained(rows, shown), *notes]
    return _assembled(rows, _axes(shown, chosen), chosen, [*notes, *context_notes(shown)])


def _assembled(rows: Sequence[Row], axes: Sequence[str], cost: Cost, notes: list[str]) -> Table:
    import pandas as pd

    metric = metric_header([row.study for row in rows])
    body = [_body(row, axes, cost) for row in rows]
    headers = [*axes, cost.title, metric, "on front", "Δ", "interval", "against"]
    place = headers.index(metric)
    return Table(
        headers=headers,
        body=body,
        numbers=pd.DataFrame([_numbers(row, axes, cost, metric) for row in rows]),
        notes=notes,
        marks=[f"{row.study.header} {row.cell.signs}" if row.cell.signs else "" for row in rows],
        emphasis=[
            [_emphasis(row.point.on_front and number == place) for number in range(len(headers))]
            for row in rows
        ],
        groups=[row.study.header for row in rows],
    )


def _axes(studies: Sequence[Study], cost: Cost) -> list[str]:
    """Axes that tell the cells apart, but for one that is the cost."""
    leads = {axis.names[0] for study in studies for axis in study.axes}
    return [axis for axis in AXES if axis in leads and axis != cost.column]


def _values(row: Row, axes: Sequence[str]) -> list[str]:
    return [row.study.texts[axis][row.point.cell] for axis in axes]


def _body(row: Row, axes: Sequence[str], cost: Cost) -> list[str]:
    cost_text = cost.text(row.point.cost * cost.scale)
    return [*_values(row, axes), cost_text, row.cell.text, row.status, *_held(row)]


def _held(row: Row) -> list[str]:
    """The difference to the cell that it is held against, its interval, and that cell."""
    point = row.point
    if point.rival == NONE:
        return ["", "", ""]
    between = point.interval
    interval = f"[{between.low:+.2f}, {between.high:+.2f}]" if between else MISSING
    return [signed(point.difference, point.spread), interval, row.against]


def _numbers(row: Row, axes: Sequence[str], cost: Cost, metric: str) -> dict[str, Any]:
    """In per cent and points; NaN where there is none."""
    point = row.point
    return {
        **dict(zip(axes, _values(row, axes), strict=True)),
        cost.title: point.cost * cost.scale,
        metric: row.cell.value,
        "on front": row.status,
        "Δ": point.difference,
        "Δ std": point.spread,
        "low": point.interval.low if point.interval else None,
        "high": point.interval.high if point.interval else None,
        "against": row.against,
        "std": row.cell.spread,
        "dataset": row.study.title,
        "metric name": metric_label(row.study.metric),
    }


def _emphasis(best: bool) -> Emphasis:
    return "best" if best else ""


def _intervals_told(rows: Sequence[Row]) -> list[str]:
    if all(row.point.interval is None for row in rows):
        return []
    return [f"{interval_note('bootstrap')}; not corrected for the number of cells"]


def _explained(rows: Sequence[Row], studies: Sequence[Study]) -> list[str]:
    """Say what the marks of the cells are."""
    notes = []
    for study in studies:
        mine = [row for row in rows if row.study is study]
        column = Column(study.title, metric_label(study.metric), {}, study.metric)
        names = [study.label(row.point.cell) for row in mine]
        notes += explained([column], names, [[row.cell] for row in mine])
    return list(dict.fromkeys(notes))
