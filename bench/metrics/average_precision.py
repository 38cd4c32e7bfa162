"""Average precisions, each under its own name: they differ in what is summed and divided by.

All are (Q,) expected values over random orders inside ties, in closed form, and NaN for a query
with no relevant image; the caller skips and counts those. Rankings are full: nothing is cut at
1,023 or 2,047 images.

In a group of s images from rank a on (0-based), n of them relevant and b relevant ones before it,
one stands at offset o with probability n / s; then b + o (n - 1) / (s - 1) are expected above it.
"""

from __future__ import annotations

import numpy as np

from bench.metrics.rankings import Counts, Doubles, Rankings


def average_precision(found: Rankings) -> Doubles:
    """AP as textbooks, TREC and scikit-learn have it: the mean precision at relevant images.

    (1/R) sum over ranks i of precision(i) if the i-th image is relevant, R relevant images.
    """
    return found.mean_over_positives(_precisions(found, found.size))


def average_precision_at_r(found: Rankings) -> Doubles:
    """MAP@R's term (Musgrave et al. 2020, arXiv 2003.08505, section 3.1).

    As AP, but only ranks i <= R count; still divided by R. Not average precision.
    """
    return found.mean_over_positives(_precisions(found, _within_r(found)))


def r_precision(found: Rankings) -> Doubles:
    """Share of relevant images among the first R, R = number of relevant images."""
    return found.mean_over_positives(found.positives / found.size * _within_r(found))


def average_precision_trapezoid(found: Rankings) -> Doubles:
    """AP of revisited Oxford and Paris: trapezoids under the precision-recall curve.

    For the j-th relevant image (j = 0, 1, ...) at 0-based rank r, junk not counted:
    AP += (p0 + p1) / (2 R), p0 = j/r (1 at rank 0), p1 = (j+1)/(r+1); R relevant images
    (revisitop, evaluate.py, compute_ap). The finite sum of textbooks and trec_eval takes p1 only.
    """
    return found.mean_over_positives((_precisions(found, found.size) + _left_heights(found)) / 2)


def _precisions(found: Rankings, places: Counts) -> Doubles:
    """Expected sum of precisions at relevant images in the first places of each group: (N,)."""
    start, before = found.start, found.positives_before
    chance, share = _chance(found), _share(found)
    single = (before + 1) / (start + 1)
    harmonic = _harmonic(start, start + places)
    tied = share * places + (before + 1 - share * (start + 1)) * harmonic
    return chance * np.where(found.size == 1, np.minimum(places, 1) * single, tied)


def _left_heights(found: Rankings) -> Doubles:
    """Expected sum of the precisions just above relevant images, 1 at rank 0: (N,)."""
    start, before, size = found.start, found.positives_before, found.size
    chance, share = _chance(found), _share(found)
    top = start == 0
    single = np.where(top, 1.0, before / np.maximum(start, 1))
    harmonic = _harmonic(np.maximum(start, 1) - 1, start + size - 1)
    below_top = share * (size - top) + (before - share * start) * harmonic
    return chance * np.where(size == 1, single, below_top + top)


def _chance(found: Rankings) -> Doubles:
    return found.positives / found.size


def _share(found: Rankings) -> Doubles:
    """Of the places above a relevant image in its group, the share that shows relevant ones."""
    return (found.positives - 1) / np.maximum(found.size - 1, 1)


def _within_r(found: Rankings) -> Counts:
    """Places of each group among the first R ranks."""
    r = found.n_positives[found.queries]
    within: Counts = np.clip(r - found.start, 0, found.size)
    return within


def _harmonic(start: Counts, end: Counts) -> Doubles:
    """Sum of 1/i over start < i <= end."""
    upto = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, end.max(initial=0) + 1))])
    sums: Doubles = upto[np.maximum(end, start)] - upto[start]
    return sums
