"""Seeds: how far what is computed of cells moves from one training seed to the next.

Legend: C cells, R reports, S seeds, K effects.
"""

from __future__ import annotations

import numpy as np

from results.analysis.study import Study
from results.outcomes import Doubles, Places


def by_seed(study: Study) -> Doubles:
    """(S, C) the metric under each seed that all cells with seeds have.

    A cell without (pretrained features) is the same under all.
    """
    seeds = study.frame["seed"].to_numpy(np.float64, na_value=np.nan)
    seeded = ~np.isnan(seeds)
    cells = len(set(study.cell_of[seeded]))
    if not cells:
        return np.zeros((0, study.n_cells))
    found, counts = np.unique(seeds[seeded], return_counts=True)
    common = found[counts == cells]
    table = np.tile(study.cell_values, (len(common), 1))
    for row, seed in enumerate(common):
        reports = seeds == seed
        table[row, study.cell_of[reports]] = study.outcomes[reports]
    return table


def spreads(study: Study, weights: Doubles) -> Doubles:
    """(K,) standard deviation over seeds of sums of cells with weights (K, C).

    NaN with fewer than two seeds that all cells with seeds have.
    """
    each = by_seed(study)
    if len(each) < 2:
        return np.full(len(weights), np.nan)
    found: Doubles = np.std(weights @ each.T, axis=1, ddof=1)
    return found


def difference_spreads(study: Study, cells: Places, others: Places) -> list[float | None]:
    """Standard deviations over seeds of cells less others, in points, None as spreads says."""
    each = 100 * by_seed(study)
    if len(each) < 2:
        return [None] * len(cells)
    found: list[float | None] = np.std(each[:, cells] - each[:, others], axis=0, ddof=1).tolist()
    return found


def within(study: Study) -> Doubles:
    """(C,) variance of each cell's seeds around their mean, by their number; 0 with one seed."""
    return study.by_cell((study.outcomes - study.cell_values[study.cell_of]) ** 2)


def residual(study: Study) -> float:
    """Standard deviation between seeds of a cell, pooled over cells; NaN without several seeds."""
    counts = np.bincount(study.cell_of)
    freedom = int((counts - 1).sum())
    return float(np.sqrt((within(study) * counts).sum() / freedom)) if freedom else float("nan")
