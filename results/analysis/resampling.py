"""Resampling: intervals of many effects on the same queries at once.

Legend: C cells, K effects, U units (classes, or queries), B resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from results.analysis.study import Study
from results.outcomes import Doubles, Outcomes, check_same_queries, mean_over, read_outcomes
from results.stats.intervals import (
    DRAWS_AT_ONCE,
    LEVEL,
    RESAMPLES,
    SEED,
    Interval,
    corrected,
)
from results.store import DamagedReportError, ResultsError

ROUNDING = 1e-12
"""Relative: sums of the same numbers in another order are equal."""


@dataclass(frozen=True, eq=False)
class Units:
    """Outcomes of the cells of a study, summed by what is drawn anew."""

    sums: Doubles
    """(C, U)"""
    sizes: Doubles
    """(U,) queries of each unit."""

    def combined(self, weights: Doubles) -> Doubles:
        """(K, U) sums of cells with weights (K, C); what is 0 but for rounding is 0."""
        found: Doubles = weights @ self.sums
        added = np.abs(weights) @ np.abs(self.sums)
        return np.where(np.abs(found) > ROUNDING * added, found, 0.0)


def units_of(study: Study, cells: Sequence[int] | None = None) -> Units | str:
    """Read the per-query outcomes of some cells, or all, or say why they give no intervals.

    Raises DamagedReportError for files that were changed.
    """
    cells = range(study.n_cells) if cells is None else cells
    rows = np.concatenate([study.rows(cell) for cell in cells])
    paths = study.frame["per_query"].iloc[rows] if "per_query" in study.frame else [None]
    missing = sum(not _is_there(path) for path in paths)
    if missing:
        return f"no intervals of {study.header}: per-query outcomes of {missing} reports are gone"
    try:
        return _read(study, cells)
    except DamagedReportError:
        raise
    except ResultsError as error:
        return f"no intervals of {study.header}: {error}"


def bootstrap_each(
    sums: Doubles,
    sizes: Doubles,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Interval]:
    """Intervals of K means, given their sums by unit (K, U) and the units' sizes (U,).

    Those of results.stats.intervals.bootstrap, by the same draws, but as one matrix product:
    of 11,316 classes a hundred take no longer than one. Unbounded with one unit.
    """
    if len(sizes) < 2:
        return [Interval(float("-inf"), float("inf"))] * len(sums)
    means = np.concatenate(
        [
            (drawn @ sums.T) / (drawn @ sizes)[:, None]
            for drawn in _draws(len(sizes), resamples, seed)
        ]
    )
    return [
        corrected(means[:, number], row, sizes, rounding=ROUNDING * np.abs(row).sum(), level=level)
        for number, row in enumerate(sums)
    ]


def outcomes_in(study: Study, cell: int) -> Outcomes:
    """Outcomes of a cell, of several seeds the mean of each query."""
    rows = study.frame[["per_query", "per_query_sha256"]].iloc[study.rows(cell)]
    files = zip(rows["per_query"], rows["per_query_sha256"], strict=True)
    return mean_over([read_outcomes(Path(path), study.metric, sha256) for path, sha256 in files])


def _is_there(path: object) -> bool:
    return isinstance(path, str) and Path(path).is_file()


def _read(study: Study, cells: Sequence[int]) -> Units:
    first = outcomes_in(study, cells[0])
    sums = [first.sums()]
    for cell in cells[1:]:
        found = outcomes_in(study, cell)
        check_same_queries(first, found)
        sums.append(found.sums())
    return Units(np.stack(sums), first.sizes())


def _draws(units: int, resamples: int, seed: int) -> Iterator[Doubles]:
    """How often each unit is drawn (B, U), some resamples at once."""
    generator = np.random.default_rng(seed)
    at_once = max(1, DRAWS_AT_ONCE // units)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = generator.integers(units, size=(rows, units), dtype=np.int32)
        flat = drawn + units * np.arange(rows)[:, None]
        counts = np.bincount(flat.ravel(), minlength=rows * units)
        yield counts.reshape(rows, units).astype(np.float64)
