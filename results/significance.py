"""Significance: whether a table's numbers differ from those of a baseline row beyond chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from results.cells import Cell
from results.names import metric_label
from results.outcomes import Outcomes, difference, outcomes_of
from results.stats.holm import holm
from results.stats.paired import ALPHA, sign_flip
from results.store import ResultsError

if TYPE_CHECKING:
    import pandas as pd

BETTER, WORSE, ALIKE = "↑", "↓", "≈"


def find_row(wanted: Mapping[str, str], axes: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return the one row whose axes have the wanted values; raises ResultsError for none or more.

    rows: the values of the row axes, as tables show them.
    """
    for axis in wanted:
        if axis not in axes:
            raise ResultsError(
                f"--baseline {axis}={wanted[axis]}: rows have no {axis} (they have "
                f"{', '.join(axes)}); add it to --rows, or leave it out"
            )
    places = [axes.index(axis) for axis in wanted]
    found = [
        number
        for number, row in enumerate(rows)
        if all(row[place] == value for place, value in zip(places, wanted.values(), strict=True))
    ]
    if len(found) == 1:
        return found[0]
    typed = " ".join(f"{axis}={value}" for axis, value in wanted.items())
    which = [rows[number] for number in found] or rows
    shown = "; ".join(
        " ".join(f"{axis}={value}" for axis, value in zip(axes, row, strict=True))
        for row in which[:5]
    )
    said = "several rows" if found else "no row"
    raise ResultsError(f'--baseline "{typed}" is {said}: give one of {shown}')


def judged(
    grid: Sequence[Sequence[Cell]],
    reports: Sequence[Sequence[pd.DataFrame]],
    names: Sequence[str],
    metrics: Sequence[str],
    baseline: int,
) -> tuple[list[list[Cell]], str]:
    """Give each cell its verdict against the baseline's cell of its column, and say how.

    A paired sign-flip test over units of queries, corrected for all comparisons of the table by
    Holm. grid and reports: row by row, column by column; names: of each row; metrics: of each
    column. Raises ResultsError, naming the row, where one asked other queries than the baseline.
    """
    p_values: dict[tuple[int, int], float] = {}
    above: dict[tuple[int, int], bool] = {}
    for column, metric in enumerate(metrics):
        if reports[baseline][column].empty:
            continue
        base = outcomes_of(reports[baseline][column], metric)
        for row, found in enumerate(reports):
            if row != baseline and not found[column].empty:
                differences = _difference(names[row], found[column], metric, base)
                p_values[row, column] = sign_flip(differences)
                above[row, column] = differences.mean > 0
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    signs = {
        place: (BETTER if above[place] else WORSE) if p < ALPHA else ALIKE
        for place, p in adjusted.items()
    }
    shown = [
        [replace(cell, verdict=signs.get((row, column), "")) for column, cell in enumerate(cells)]
        for row, cells in enumerate(grid)
    ]
    return shown, _note(len(p_values))


def _difference(name: str, reports: pd.DataFrame, metric: str, base: Outcomes) -> Outcomes:
    outcomes = outcomes_of(reports, metric)
    try:
        return difference(outcomes, base)
    except ResultsError as error:
        title = f"{reports['dataset_title'].iloc[0]} {metric_label(metric)}"
        raise ResultsError(f"{title} of {name} and of the baseline: {error}") from error


def _note(count: int) -> str:
    return (
        f"{BETTER} better, {WORSE} worse than the baseline beyond chance, {ALIKE} not told apart: "
        f"paired sign-flip test over classes (landmarks: queries), p < {ALPHA} after Holm's "
        f"correction for {count} comparisons"
    )
