"""Average precisions, each under its own name: they differ in what is summed and divided by.

All are expected values over random orders inside ties, and NaN for a query with no relevant image;
the caller skips and counts those.
"""

from __future__ import annotations

from math import comb

import numpy as np

from bench.metrics.ties import Group, Ranking


def average_precision_at_r(ranking: Ranking) -> float:
    """MAP@R's term (Musgrave et al. 2020, arXiv 2003.08505, section 3.1).

    (1/R) sum over ranks i <= R of precision(i) if the i-th image is relevant, R = number of
    relevant images. Not average precision: images beyond rank R count nothing.
    """
    r = ranking.n_positives
    total = 0.0
    for group in ranking.groups():
        offsets = np.arange(min(group.size, r - group.start))
        hits = group.expected_before(offsets) + 1
        total += _chance(group) * float(np.sum(hits / (group.start + offsets + 1)))
    return total / r if r else float("nan")


def average_precision_trapezoid(ranking: Ranking) -> float:
    """AP of revisited Oxford and Paris: trapezoids under the precision-recall curve.

    For the j-th relevant image (j = 0, 1, ...) at 0-based rank r, junk not counted:
    AP += (p0 + p1) / (2 n), p0 = j/r (1 at rank 0), p1 = (j+1)/(r+1); n relevant images
    (revisitop, evaluate.py, compute_ap). The finite sum of textbooks and trec_eval takes p1 only.
    """
    n = ranking.n_positives
    total = 0.0
    for group in ranking.groups():
        offsets = np.arange(group.size)
        ranks = group.start + offsets
        before = group.expected_before(offsets)
        left = np.where(ranks == 0, 1.0, before / np.maximum(ranks, 1))
        right = (before + 1) / (ranks + 1)
        total += _chance(group) * float(np.sum(left + right)) / 2
    return total / n if n else float("nan")


def precision_at_k_revisited(ranking: Ranking, k: int) -> float:
    """mP@k's term as revisitop defines it: precision at min(k, rank of the last relevant image).

    So a query whose relevant images all come first has precision 1 even if they are fewer than k
    (evaluate.py, compute_map): higher than the usual precision at k, never comparable with it.
    """
    groups = list(ranking.groups())
    if not groups:
        return float("nan")
    last = groups[-1]
    if last.start + last.positives >= k:
        return _hits_within(groups, k) / k
    return sum(
        chance * _precision_where_last_is_at(groups, place, k)
        for place, chance in _places_of_last(last)
    )


def _chance(group: Group) -> float:
    """Return the probability that one place of a group shows a relevant image."""
    return group.positives / group.size


def _hits_within(groups: list[Group], k: int) -> float:
    return sum(_chance(group) * min(group.size, max(0, k - group.start)) for group in groups)


def _places_of_last(group: Group) -> list[tuple[int, float]]:
    """1-based places in a group of its last relevant image, with their probabilities."""
    ways = comb(group.size, group.positives)
    return [
        (place, comb(place - 1, group.positives - 1) / ways)
        for place in range(group.positives, group.size + 1)
    ]


def _precision_where_last_is_at(groups: list[Group], place: int, k: int) -> float:
    last = groups[-1]
    cut = min(k, last.start + place)
    inside = cut - last.start  # places of the last group within the cut; positive, as k > start
    if inside == place:
        hits: float = last.positives
    else:
        hits = (last.positives - 1) * inside / (place - 1)
    return (last.positives_before + hits) / cut
