"""Recall@K as metric learning and landmark retrieval mean it, and the reciprocal rank.

A query counts 1 if at least one relevant image is among its K nearest (Jegou et al. 2011; IR calls
this Success@K), else 0. IR's own recall, and torchmetrics' RetrievalRecall, is the share of the
relevant images that were found: another number. The query itself is not in the gallery. A query
with nothing to find is NaN: it is none. K may be larger than the gallery.
"""

from __future__ import annotations

import numpy as np

from bench.metrics.rankings import Counts, Doubles, FirstHits, check_k


def recall_at_k(first: FirstHits, k: int) -> Doubles:
    """Probability that the K nearest hold a relevant image, ties in random order: (Q,).

    With m places left for the first group of n images, t of them irrelevant, it is
    1 - C(t, m) / C(n, m).
    """
    check_k(k)
    places = k - first.negatives_above
    certain = places > first.negatives_tied
    open_ = (places > 0) & ~certain & first.answerable
    found = certain.astype(np.float64)
    cases = np.stack([first.positives, first.negatives_tied, places], axis=1)[open_]
    distinct, which = np.unique(cases, axis=0, return_inverse=True)
    chances = np.array([1 - _none_among(*case) for case in distinct.tolist()])
    found[open_] = chances[which.reshape(-1)] if len(chances) else 0.0
    return np.where(first.answerable, found, np.nan)


def _none_among(positives: int, negatives: int, places: int) -> float:
    """C(t, m) / C(n + t, m): that none of m places, drawn from n + t, shows one of n."""
    total = positives + negatives
    drawn, left = sorted((positives, places))  # the same by symmetry, with fewer factors
    steps = np.arange(drawn)
    return float(np.prod((total - left - steps) / (total - steps)))


def optimistic_recall_at_k(first: FirstHits, k: int) -> Doubles:
    """R@K if the relevant image came first in every tie: what `sim > best` counts. (Q,)."""
    check_k(k)
    return np.where(first.answerable, first.negatives_above < k, np.nan)


def pessimistic_recall_at_k(first: FirstHits, k: int) -> Doubles:
    """R@K if the relevant images came last in every tie: (Q,)."""
    check_k(k)
    return np.where(first.answerable, first.negatives_above + first.negatives_tied < k, np.nan)


def reciprocal_rank(first: FirstHits) -> Doubles:
    """1 / rank of the first relevant image (MRR's term, Voorhees 1999), expected over ties: (Q,).

    The first of n among t irrelevant ones is j places down with probability
    C(n + t - j - 1, n - 1) / C(n + t, n).
    """
    plain = 1 / (first.negatives_above + 1)
    tied = first.negatives_tied > 0
    cases = np.stack([first.positives, first.negatives_tied, first.negatives_above], axis=1)[tied]
    distinct, which = np.unique(cases, axis=0, return_inverse=True)
    values = np.array([_expected_reciprocal(*case) for case in distinct.tolist()])
    plain[tied] = values[which.reshape(-1)] if len(values) else 0.0
    return np.where(first.answerable, plain, np.nan)


def _expected_reciprocal(positives: int, negatives: int, above: int) -> float:
    down = np.arange(negatives + 1)
    left = positives + negatives - down  # images that are not yet placed
    misses: Counts = negatives - down
    chance = np.cumprod(np.concatenate([[1.0], misses[:-1] / left[:-1]])) * positives / left
    return float(np.sum(chance / (above + down + 1)))
