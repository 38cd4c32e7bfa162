"""Changes: the cells that differ from a base in one axis alone, held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from results.analysis.axes import NOWHERE, natural
from results.analysis.resampling import Units, bootstrap_each, outcomes_in, units_of
from results.analysis.seeds import difference_spreads
from results.analysis.study import WITHIN, Study
from results.chosen import chosen
from results.names import plain
from results.outcomes import difference
from results.stats.intervals import Interval
from results.stats.paired import sign_flip
from results.store import ResultsError

if TYPE_CHECKING:
    import pandas as pd

OPTION = "--baseline"


@dataclass(frozen=True)
class Change:
    """A cell that differs from the base in one axis."""

    cell: int
    axis: str
    """backbone, or backbone+pooling where the two change together."""
    before: str
    after: str
    difference: float
    """Its metric less the base's, in points."""
    spread: float | None
    """Of the difference over seeds, in points; None without several that all cells have."""
    interval: Interval | None
    """Of the paired difference, in points; None without per-query outcomes."""
    p: float | None
    """Of a sign-flip test."""


def narrowed(frame: pd.DataFrame, base: Mapping[str, str]) -> pd.DataFrame:
    """Keep the dataset and the seed that a base names: they are no changes.

    Cells to which the seed does not matter stay.
    """
    for axis in ("dataset", "seed"):
        if axis in base:
            texts = frame[axis].map(plain)
            frame = frame[(texts == base[axis]) | (texts == plain(None))]
    return frame


def base_reports(frame: pd.DataFrame, base: Mapping[str, str]) -> set[str]:
    """Keys of the reports that a base stands for; raises ResultsError where there are none."""
    if not base:
        raise ResultsError(
            f'{OPTION} is empty: give the base row, as in "backbone=deit_s dims=384"'
        )
    return set(chosen(frame, typed(base), OPTION)["key"])


def base_cell(study: Study, keys: set[str], base: Mapping[str, str]) -> int | None:
    """The cell of a study that a base stands for, or None; raises ResultsError for several."""
    reports = study.frame["key"].isin(keys).to_numpy()
    cells = np.unique(study.cell_of[reports])
    if len(cells) > 1:
        told = []
        for axis in WITHIN:
            values = sorted({study.texts[axis][cell] for cell in cells}, key=natural)
            told += [f"{axis} ({', '.join(values)})"] if len(values) > 1 else []
        raise ResultsError(
            f'{OPTION} "{typed(base)}" is {len(cells)} cells of {study.title}: they differ in '
            f"{', '.join(told)}; say which"
        )
    return int(cells[0]) if len(cells) else None


def typed(base: Mapping[str, str]) -> str:
    """A base as it is typed."""
    return " ".join(f"{axis}={value}" for axis, value in base.items())


def changes_of(study: Study, base: int) -> tuple[list[Change], list[str]]:
    """The cells that differ from the base in one axis, axis by axis, and notes.

    An axis that does not matter to one of the two is no difference, unless nothing else differs.
    """
    found = _neighbours(study, base)
    cells = list(found)
    if not cells:
        return [], []
    units = units_of(study, [base, *cells])
    spreads = difference_spreads(study, np.array(cells), np.full(len(cells), base))
    intervals: Sequence[Interval | None] = [None] * len(cells)
    p_values: Sequence[float | None] = [None] * len(cells)
    if isinstance(units, Units):
        weights = np.hstack([-np.ones((len(cells), 1)), np.eye(len(cells))])  # cells less base
        intervals = bootstrap_each(100 * units.combined(weights), units.sizes)
        of_base = outcomes_in(study, base)
        p_values = [sign_flip(difference(outcomes_in(study, one), of_base)) for one in cells]
    changes = [
        Change(
            cell=cell,
            axis=study.axes[found[cell]].name,
            before=study.axes[found[cell]].text(base),
            after=study.axes[found[cell]].text(cell),
            difference=100 * float(study.cell_values[cell] - study.cell_values[base]),
            spread=spread,
            interval=interval,
            p=p,
        )
        for cell, spread, interval, p in zip(cells, spreads, intervals, p_values, strict=True)
    ]
    return changes, [units] if isinstance(units, str) else []


def _neighbours(study: Study, base: int) -> dict[int, int]:
    """The place of the one axis in which each cell differs from the base, where it is one."""
    places = np.array([axis.places for axis in study.axes]).reshape(-1, study.n_cells)
    differ = places != places[:, [base]]
    matter = (places != NOWHERE) & (places[:, [base]] != NOWHERE)
    both = differ & matter
    told = np.where(both.any(axis=0), both, differ)
    alone = np.flatnonzero(told.sum(axis=0) == 1)
    axis_of = {int(cell): int(told[:, cell].argmax()) for cell in alone}
    order = sorted(
        axis_of, key=lambda cell: (axis_of[cell], natural(study.axes[axis_of[cell]].text(cell)))
    )
    return {cell: axis_of[cell] for cell in order}
