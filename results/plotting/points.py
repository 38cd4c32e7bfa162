"""Plot points: what figures of cells and of trainings are drawn from. Needs no matplotlib.

Legend: C cells, V values of an axis, L lines, P points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from results.analysis.study import Study, studies_of
from results.names import AXES
from results.outcomes import Doubles
from results.store import ResultsError, unknown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Effect:
    """What an axis does: lines of cells that differ in that axis, and in what follows it, alone."""

    axis: str
    names: tuple[str, ...]
    """(V,) its values, in their order."""
    lines: Doubles
    """(L, V) metric in per cent, NaN where a cell is missing; each line has two cells or more."""

    @property
    def mean(self) -> Doubles:
        """(V,) mean over the lines that have every value; NaN where there is none."""
        whole = self.lines[~np.isnan(self.lines).any(axis=1)]
        found: Doubles = whole.mean(axis=0) if len(whole) else np.full(len(self.names), np.nan)
        return found


def measured(frame: pd.DataFrame, metric: str) -> list[Study]:
    """The cells of each dataset that have a metric, datasets in the frame's order.

    Raises ResultsError where none has it.
    """
    studies, _ = studies_of(frame, [metric])
    order = frame["dataset"].unique().tolist()
    studies.sort(key=lambda study: order.index(study.frame["dataset"].iloc[0]))
    if not studies:
        raise ResultsError(f"no finished cell has {metric}: ask for another metric")
    return studies


def effects_of(study: Study, axes: Sequence[str] = ()) -> list[Effect]:
    """What axes do in a dataset's cells; without any named, all that vary.

    Raises ResultsError where no two cells differ in one of them alone.
    """
    for name in axes:
        if name not in AXES:
            raise unknown("axis", name, AXES)
    found = [
        effect
        for place, axis in enumerate(study.axes)
        if (not axes or set(axes) & set(axis.names)) and (effect := _effect(study, place))
    ]
    if not found:
        about = " or ".join(axes) or "one axis"
        raise ResultsError(
            f"no two cells of {study.header} differ in {about} alone: run more of a matrix"
        )
    return found


def _effect(study: Study, place: int) -> Effect | None:
    axis = study.axes[place]
    others = [other.places for other in study.axes if other is not axis]
    lines: dict[tuple[int, ...], Doubles] = {}
    for cell, value in enumerate(study.cell_values):
        key = tuple(int(places[cell]) for places in others)
        line = lines.setdefault(key, np.full(len(axis.values), np.nan))
        if axis.places[cell] >= 0:
            line[axis.places[cell]] = 100 * value
    kept = [line for line in lines.values() if (~np.isnan(line)).sum() > 1]
    return Effect(axis.name, axis.values, np.array(kept)) if kept else None


def running_mean(values: Doubles, window: int) -> Doubles:
    """(P,) mean of up to so many values around each, fewer at the ends; NaN does not count."""
    there = ~np.isnan(values)
    kernel = np.ones(max(1, min(window, len(values))))
    sums = np.convolve(np.where(there, values, 0.0), kernel, mode="same")
    counts = np.convolve(there.astype(np.float64), kernel, mode="same").round()
    found: Doubles = np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
    return found
