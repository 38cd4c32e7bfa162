"""Formulas: a ranking -> one number, in the forms that papers and libraries use.

All but hits_found are expected values over random orders inside ties. k is the K of @K; formulas
without one ignore it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np

from bench.delta.rankings import Ranking, Standing

Formula = Callable[[Ranking, int], float]


def any_hit(ranking: Ranking, k: int) -> float:
    """R@K of metric learning: whether any of the K nearest is relevant.

    1 - C(t, m) / C(n, m) where the first tie with a hit has n images, t irrelevant, and m fit.
    """
    if not ranking.hits.any():
        return 0.0
    start, size, hits = ranking.tie_of(int(np.argmax(ranking.hits)))
    fit = min(max(k - start, 0), size)
    return 1.0 - comb(size - hits, fit) / comb(size, fit)


def share_found(ranking: Ranking, k: int) -> float:
    """R@K of information retrieval: hits in the K nearest / all relevant."""
    return _hits_within(ranking.standing, k) / ranking.relevant


def precision(ranking: Ranking, k: int) -> float:
    """P@K of textbooks: hits in the K nearest / K."""
    return _hits_within(ranking.standing, k) / k


def precision_to_last(ranking: Ranking, k: int) -> float:
    """mP@k's term of revisitop (evaluate.py, compute_map): P@min(k, rank of the last hit).

    The last hit's rank is random inside its tie of n with p hits: it is the tie's j-th with
    probability C(j - 1, p - 1) / C(n, p). Where that is before k all hits are in the cut.
    """
    hits = int(ranking.hits.sum())
    start, size, there = ranking.tie_of(int(np.flatnonzero(ranking.hits)[-1]))
    total, early = 0.0, 0.0
    for place in range(there, min(size, k - start) + 1):
        chance = comb(place - 1, there - 1) / comb(size, there)
        total += chance * hits / (start + place)
        early += chance * hits
    return total + (_hits_within(ranking.standing, k) - early) / k


def finite_sum(ranking: Ranking, k: int = 0) -> float:
    """AP of textbooks: the mean over all relevant of the precision where each stands."""
    return float(np.sum(_precisions(ranking.standing))) / ranking.relevant


def trapezoids(ranking: Ranking, k: int = 0) -> float:
    """AP of revisitop (evaluate.py, compute_ap): the mean of precision above and at each hit."""
    standing = ranking.standing
    above = np.where(standing.ranks == 0, 1.0, standing.before / np.maximum(standing.ranks, 1))
    doubled = standing.chance @ above + float(np.sum(_precisions(standing)))
    return float(doubled) / (2 * ranking.relevant)


def sum_to_r(ranking: Ranking, k: int = 0) -> float:
    """MAP@R's term (Musgrave et al. 2020): precision at hits of the first R ranks, over R."""
    return _sum_to(ranking, ranking.relevant)


def sum_to_class_size(ranking: Ranking, k: int = 0) -> float:
    """MAP@R's term with R + 1 for R: the size of the class, the query counted."""
    return _sum_to(ranking, ranking.relevant + 1)


def hits_found(ranking: Ranking, k: int = 0) -> float:
    """AP over the hits found rather than all relevant; of rankings without ties. 0 without hits."""
    found = ranking.standing.chance.sum()
    return float(np.sum(_precisions(ranking.standing)) / found) if found else 0.0


def hits_found_to_r(ranking: Ranking, k: int = 0) -> float:
    """hits_found of the first R ranks."""
    hits, ties = ranking.hits[: ranking.relevant], ranking.ties[: ranking.relevant]
    return hits_found(Ranking(hits, ties, ranking.relevant))


def _sum_to(ranking: Ranking, r: int) -> float:
    within = ranking.standing.ranks < r
    return float(np.sum(_precisions(ranking.standing)[within])) / r


def _precisions(standing: Standing) -> np.typing.NDArray[np.float64]:
    """Precision at each rank, times the probability that it counts."""
    precisions: np.typing.NDArray[np.float64] = (
        standing.chance * (standing.before + 1) / (standing.ranks + 1)
    )
    return precisions


def _hits_within(standing: Standing, k: int) -> float:
    return float(standing.chance[standing.ranks < k].sum())
