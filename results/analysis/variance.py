"""Variance: which axis explains how much of the differences between cells.

Legend: C cells, k axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from results.outcomes import Doubles


@dataclass(frozen=True)
class Variance:
    """Shares of the variation of a metric over reports; they sum to 1."""

    axes: tuple[float, ...]
    pairs: float
    """What two-way interactions add to the axes."""
    rest: float
    """What neither explains: interactions of more axes, and chance."""
    seeds: float
    """What lies within cells."""


def lmg(blocks: Sequence[Doubles], y: Doubles) -> Doubles:
    """(k,) shares of R² of y (C,) by blocks of columns (C, q): they sum to that of all blocks.

    What a block adds to R², averaged over all orders of adding blocks (Lindeman, Merenda and Gold
    1980), which is its Shapley value: exact, over all 2^k subsets.
    """
    count = len(blocks)
    explained = _explained(blocks, y)
    shares = np.zeros(count)
    for subset, share in enumerate(explained):
        size = subset.bit_count()
        for block in range(count):
            if not subset >> block & 1:
                gain = explained[subset | 1 << block] - share
                shares[block] += gain / (count * comb(count - 1, size))
    return shares


def r_squared(columns: Doubles, y: Doubles) -> float:
    """Share of the variation of y (C,) around its mean that columns (C, q) explain."""
    return float(lmg([columns], y)[0])


def decompose(
    blocks: Sequence[Doubles], pairs: Doubles, y: Doubles, within: Doubles
) -> Variance | None:
    """Share out the variation of cells y (C,) and within them; None where there is none.

    blocks: columns of each axis; pairs: of all axes and pairs of them; within: (C,) variance
    between a cell's seeds.
    """
    between, inside = float(((y - y.mean()) ** 2).sum()), float(within.sum())
    total = between + inside
    if not total > np.finfo(np.float64).eps * len(y):
        return None
    axes = lmg(blocks, y) * between / total
    both = r_squared(pairs, y) * between / total
    return Variance(
        axes=tuple(map(float, axes)),
        pairs=both - float(axes.sum()),
        rest=between / total - both,
        seeds=inside / total,
    )


def _explained(blocks: Sequence[Doubles], y: Doubles) -> list[float]:
    """R² of each subset of blocks, by the bits of its place. Least squares in few rows."""
    deviations = y - y.mean()
    total = float(deviations @ deviations)
    centred = [block - block.mean(axis=0) for block in blocks]
    q, r = np.linalg.qr(np.hstack(centred))
    target = q.T @ deviations
    ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
    of_block = [r[:, ends[number] : ends[number + 1]] for number in range(len(blocks))]
    return [_share(_chosen(of_block, subset), target, total) for subset in range(1 << len(blocks))]


def _chosen(blocks: Sequence[Doubles], subset: int) -> list[Doubles]:
    return [block for number, block in enumerate(blocks) if subset >> number & 1]


def _share(blocks: Sequence[Doubles], target: Doubles, total: float) -> float:
    if not blocks or not total:
        return 0.0
    columns = np.hstack(blocks)
    parameters = np.linalg.lstsq(columns, target, rcond=1e-9)[0]
    fitted = columns @ parameters
    return float(fitted @ fitted) / total
