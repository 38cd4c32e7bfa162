"""One factor at a time: what each change of a base row does.

As bench report --effects --baseline shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from results.analysis.changes import (
    OPTION,
    Change,
    base_cell,
    base_reports,
    changes_of,
    narrowed,
    typed,
)
from results.analysis.context import context_notes, metric_header
from results.analysis.estimates import MISSING, signed
from results.analysis.study import Study, studies_of
from results.cells import Cell, Column, cell_of
from results.names import metric_label
from results.notes import explained, interval_note
from results.significance import ALIKE, BETTER, WORSE
from results.stats.holm import holm
from results.stats.paired import ALPHA
from results.store import ResultsError
from results.table import Table

if TYPE_CHECKING:
    import pandas as pd

BASE = "base"


@dataclass(frozen=True)
class Row:
    """The base of a study, or a cell that differs from it in one axis."""

    study: Study
    cell: Cell
    label: str
    change: Change | None
    """None of the base."""
    p_holm: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the change is better or worse beyond chance."""
        if self.change is None or self.p_holm is None:
            return ""
        if self.p_holm >= ALPHA:
            return ALIKE
        return BETTER if self.change.difference > 0 else WORSE


def one_factor_table(
    frame: pd.DataFrame, base: Mapping[str, str], metrics: Sequence[str] = ()
) -> Table:
    """Show a base row of each dataset, then the cells that differ from it in one axis alone.

    base: axis to value as tables write it; of a seed, seeds alone of that number are compared.
    Raises ResultsError where it stands for no cell or several.
    """
    if frame.empty:
        raise ResultsError("there are no finished cells yet: bench run makes some")
    keys = base_reports(frame, base)
    studies, notes = studies_of(narrowed(frame, base), metrics)
    rows: list[Row] = []
    for study in studies:
        place = base_cell(study, keys, base)
        if place is None:
            notes.append(f"not shown: {study.header}, which has no such base")
            continue
        found, lacking = _rows(study, place)
        rows += found
        notes += lacking
    if not rows:
        raise ResultsError(
            f'{OPTION} "{typed(base)}" is of no cell that is shown: {"; ".join(notes)}'
        )
    rows = _tested(rows)
    shown = [row.study for row in rows if row.change is None]
    told = [f"base: {typed(base)}", *_tests_told(rows), *_others_told(rows)]
    told += _explained(rows)
    return _assembled(rows, [*told, *notes, *context_notes(shown)])


def _rows(study: Study, base: int) -> tuple[list[Row], list[str]]:
    """The base, then its changes; and notes."""
    changes, notes = changes_of(study, base)
    cells: list[tuple[int, Change | None]] = [(base, None), *((one.cell, one) for one in changes)]
    rows = [
        Row(study, cell_of(study.reports(cell), study.metric), study.label(cell), change)
        for cell, change in cells
    ]
    return rows, notes


def _others_told(rows: Sequence[Row]) -> list[str]:
    """Count the cells that are no change of one axis."""
    shown = Counter(row.study.header for row in rows)
    others = {row.study.header: row.study.n_cells - shown[row.study.header] for row in rows}
    counts = sorted(set(others.values()))
    if counts == [0]:
        return []
    told = f"{counts[0]}–{counts[-1]}" if len(counts) > 1 else str(counts[0])
    each = " under each title" if len(others) > 1 else ""
    return [f"not shown: cells that differ from the base in several axes ({told}{each})"]


def _tested(rows: Sequence[Row]) -> list[Row]:
    """Correct the p-values of all rows together."""
    p_values = {
        place: row.change.p
        for place, row in enumerate(rows)
        if row.change is not None and row.change.p is not None
    }
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return [replace(row, p_holm=adjusted.get(place)) for place, row in enumerate(rows)]


def _assembled(rows: Sequence[Row], notes: list[str]) -> Table:
    import pandas as pd

    metric = metric_header([row.study for row in rows])
    body, last = [], ""
    for row in rows:
        axis = row.change.axis if row.change else BASE
        body.append(["" if axis == last else axis, *_texts(row)])
        last = axis
    return Table(
        headers=["axis", "change", metric, "Δ", "interval", "p", "p Holm"],
        body=body,
        numbers=pd.DataFrame([_numbers(row, metric) for row in rows]),
        notes=notes,
        marks=[_marked(row) for row in rows],
        groups=[row.study.header for row in rows],
    )


def _texts(row: Row) -> list[str]:
    change = row.change
    if change is None:
        return [row.label, row.cell.text, "", "", "", ""]
    between = change.interval
    return [
        f"{change.before} → {change.after}",
        row.cell.text,
        f"{signed(change.difference, change.spread)}{row.verdict}",
        f"[{between.low:+.2f}, {between.high:+.2f}]" if between else MISSING,
        _p(change.p),
        _p(row.p_holm),
    ]


def _numbers(row: Row, metric: str) -> dict[str, Any]:
    """In per cent and points; None where there is none."""
    change = row.change
    between = change.interval if change else None
    return {
        "axis": change.axis if change else BASE,
        "change": f"{change.before} → {change.after}" if change else row.label,
        metric: row.cell.value,
        "Δ": change.difference if change else None,
        "Δ std": change.spread if change else None,
        "low": between.low if between else None,
        "high": between.high if between else None,
        "p": change.p if change else None,
        "p Holm": row.p_holm,
        "std": row.cell.spread,
        "dataset": row.study.title,
        "metric name": metric_label(row.study.metric),
    }


def _p(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:.4f}" if value >= 0.0001 else "<0.0001"


def _marked(row: Row) -> str:
    signs = row.cell.signs + row.verdict
    return f"{row.study.header} {signs}" if signs else ""


def _tests_told(rows: Sequence[Row]) -> list[str]:
    """Say what was tested; nothing where nothing was."""
    tests = sum(row.p_holm is not None for row in rows)
    if not tests:
        return []
    return [
        f"Δ: difference to the base in points; {BETTER} better, {WORSE} worse beyond chance, "
        f"{ALIKE} not told apart: paired sign-flip test over classes (landmarks: queries), "
        f"p < {ALPHA} after Holm's correction for {tests} comparisons",
        f"{interval_note('bootstrap')}; not corrected",
    ]


def _explained(rows: Sequence[Row]) -> list[str]:
    """Say what the marks of the cells are."""
    notes = []
    for study in [row.study for row in rows if row.change is None]:
        mine = [row for row in rows if row.study is study]
        column = Column(study.title, metric_label(study.metric), {}, study.metric)
        notes += explained([column], [row.label for row in mine], [[row.cell] for row in mine])
    return list(dict.fromkeys(notes))
