"""Fronts: cells that no other beats in both cost and metric, and how surely.

A cell is on the front if no other costs at most as much and is at least as good, and strictly so
in one of the two.

Legend: C cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from results.analysis.resampling import Units, bootstrap_each, units_of
from results.analysis.seeds import difference_spreads
from results.analysis.study import Study
from results.outcomes import Doubles, Places
from results.stats.intervals import Interval

NONE = -1
"""The rival of a cell without one: the cheapest of the front."""


@dataclass(frozen=True)
class Point:
    """A cell between cost and metric."""

    cell: int
    cost: float
    """In its column's unit."""
    on_front: bool
    rival: int = NONE
    """A dominated cell's: the best of the front that costs no more. On the front: the next
    cheaper, or NONE."""
    difference: float = float("nan")
    """The cell's metric less its rival's, in points; NaN without."""
    spread: float | None = None
    """Of the difference over seeds, in points; None without several that all cells have."""
    interval: Interval | None = None
    """Of the paired difference, in points; None without per-query outcomes."""

    @property
    def unclear(self) -> bool:
        """Whether cell and rival could be alike: as queries say, or as seeds do."""
        if self.spread is not None and self.spread >= abs(self.difference):
            return True
        return self.interval is not None and not self.interval.excludes(0.0)


def front(costs: Doubles, values: Doubles) -> npt.NDArray[np.bool_]:
    """(C,) whether each cell is on the front: costs (C,) are to be small, values (C,) great.

    Equal cells are all on it, or none. In O(C log C).
    """
    on = np.zeros(len(costs), dtype=np.bool_)
    if not len(costs):
        return on
    order = np.lexsort((-values, costs))
    cost, value = costs[order], values[order]
    starts = np.concatenate([[True], cost[1:] != cost[:-1]])
    best = value[starts]  # of each cost
    cheaper = np.concatenate([[-np.inf], np.maximum.accumulate(best)[:-1]])
    of_cost = np.cumsum(starts) - 1
    on[order] = (value == best[of_cost]) & (best > cheaper)[of_cost]
    return on


def rivals(costs: Doubles, on_front: npt.NDArray[np.bool_]) -> Places:
    """(C,) the cell of the front that each is held against, or NONE (see Point)."""
    places = np.flatnonzero(on_front)
    steps, first = np.unique(costs[places], return_index=True)
    last = np.searchsorted(steps, costs, side="right") - 1
    step = np.where(on_front, last - 1, last)
    return np.where(step >= 0, places[first][step], NONE).astype(np.int64)


def points_of(study: Study, column: str) -> tuple[list[Point], list[str]]:
    """Place the cells of a study that have a cost: the front, who may be on it, the others.

    Each by cost; notes say what is missing.
    """
    costs = study.by_cell(study.frame[column].to_numpy(np.float64, na_value=np.nan))
    cells = np.flatnonzero(~np.isnan(costs))
    notes = []
    if len(cells) < study.n_cells:
        lacking = study.n_cells - len(cells)
        notes.append(f"left out: {lacking} cells of {study.header} that have no {column}")
    if not len(cells):
        return [], notes
    costs, values = costs[cells], study.cell_values[cells]
    on = front(costs, values)
    against = rivals(costs, on)
    units = units_of(study, cells.tolist())
    notes += [units] if isinstance(units, str) else []
    spreads = difference_spreads(study, cells, cells[against])  # of NONE: of no meaning, unused
    intervals = _intervals(units, against)
    points = [
        Point(
            cell=int(cells[place]),
            cost=float(costs[place]),
            on_front=bool(on[place]),
            rival=int(cells[rival]),
            difference=100 * float(values[place] - values[rival]),
            spread=spreads[place],
            interval=intervals[place],
        )
        if rival != NONE
        else Point(int(cells[place]), float(costs[place]), on_front=True)
        for place, rival in enumerate(against)
    ]
    return sorted(
        points, key=lambda one: (_rank(one), one.cost, -study.cell_values[one.cell])
    ), notes


def _intervals(units: Units | str, against: Places) -> list[Interval | None]:
    """Of each cell's difference to its rival."""
    found: list[Interval | None] = [None] * len(against)
    has_one = np.flatnonzero(against != NONE)
    if isinstance(units, Units) and len(has_one):
        own = np.eye(len(against))
        weights = own[has_one] - own[against[has_one]]
        each: Sequence[Interval] = bootstrap_each(100 * units.combined(weights), units.sizes)
        for place, interval in zip(has_one, each, strict=True):
            found[place] = interval
    return found


def _rank(point: Point) -> int:
    if point.on_front:
        return 0
    return 1 if point.unclear else 2
