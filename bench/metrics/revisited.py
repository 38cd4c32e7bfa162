"""mP@k of revisited Oxford and Paris: its own definition, not comparable with precision at k."""

from __future__ import annotations

from math import comb

import numpy as np

from bench.metrics.rankings import Doubles, Rankings, check_k


def precision_at_k_revisited(found: Rankings, k: int) -> Doubles:
    """mP@k's term as revisitop defines it: precision at min(k, rank of the last relevant image).

    So a query whose relevant images all come first has precision 1 even if they are fewer than k
    (evaluate.py, compute_map): higher than the usual precision at k. (Q,), expected over ties, NaN
    for a query with no relevant image.
    """
    check_k(k)
    within = np.clip(k - found.start, 0, found.size)
    hits = found.summed(found.positives / found.size * within)
    usual = np.where(found.n_positives > 0, hits / k, np.nan)
    early = np.zeros(len(found))
    for query in np.flatnonzero(found.n_positives).tolist():
        early[query] = _gain_of_early_ends(found, query, k)
    return usual + early


def _gain_of_early_ends(found: Rankings, query: int, k: int) -> float:
    """Expected gain over precision at k from last relevant images that stand before rank k.

    The last of n in a group of s stands at its p-th place with probability C(p-1, n-1) / C(s, n);
    all relevant images are then within that rank.
    """
    last = found.starts[query + 1] - 1
    n, size = int(found.positives[last]), int(found.size[last])
    start, total = int(found.start[last]), int(found.n_positives[query])
    return sum(
        comb(place - 1, n - 1) / comb(size, n) * total * (1 / (start + place) - 1 / k)
        for place in range(n, min(size, k - start) + 1)
    )
