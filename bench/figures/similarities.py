"""Similarities of positive and of negative pairs: the paper's figure 5.

Legend: Q queries of a block, G gallery images, D dims, B bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.delta.similarities import Doubles, Floats, Positions
from registry.datasets.split import Split

Counts = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint8]
PER_UNIT = 1000
"""Bins in a unit of similarity."""
BINS = 2 * PER_UNIT
"""From -1 to 1."""
NEGATIVE, POSITIVE, IGNORED = range(3)
PAIRS_AT_ONCE = 1 << 20
"""They stay in a processor's cache."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """How many pairs have which cosine similarity, (B,) each."""

    positive: Counts
    negative: Counts

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(self.positive + other.positive, self.negative + other.negative)

    @property
    def in_order(self) -> float:
        """Share of (positive, negative) couples whose positive is the more similar, ties half.

        The area under the ROC curve, of similarities rounded to a thousandth. NaN without either.
        """
        below = np.cumsum(self.negative) - self.negative / 2
        couples = float(self.positive.sum()) * float(self.negative.sum())
        return float(self.positive @ below) / couples if couples else float("nan")


def mean_and_spread(counts: Counts) -> tuple[float, float]:
    """Mean and standard deviation of the similarities in bins; NaN where there are none."""
    total = counts.sum()
    if not total:
        return float("nan"), float("nan")
    mean = float(counts @ centres() / total)
    return mean, float(np.sqrt(counts @ (centres() - mean) ** 2 / total))


def centres(bins: int = BINS) -> Doubles:
    """(bins,) middles of bins from -1 to 1."""
    return (np.arange(bins, dtype=np.float64) + 0.5) * (2.0 / bins) - 1.0


def shares(counts: Counts, bins: int) -> Doubles:
    """(B,) counts -> (bins,) shares of all pairs, in fewer, wider bins."""
    wide: Doubles = counts.reshape(bins, -1).sum(axis=1).astype(np.float64)
    return wide / max(1.0, float(wide.sum()))


def count_pairs(descriptors: Floats, split: Split) -> Pairs:
    """Count all pairs of a query with a gallery image: (N, D) descriptors of the evaluated images.

    Positives are images of the query's class; of landmarks, its easy and hard images, and its junk
    is no pair (Medium). An image is no pair with itself. Rows of zeros are images that could not be
    read.
    """
    split = split.without(np.flatnonzero(~np.any(descriptors, axis=1)))
    gallery = np.asarray(descriptors[split.gallery])
    kinds = _graded(split) if split.graded is not None else _by_class(split)
    found = np.zeros(3 * BINS, dtype=np.int64)
    size = max(1, PAIRS_AT_ONCE // max(1, len(split.gallery)))
    for start in range(0, len(split.queries), size):
        queries = split.queries[start : start + size]
        places = bins_of(np.asarray(descriptors[queries]) @ gallery.T)
        places += kinds(queries) * np.int32(BINS)
        found += np.bincount(places.ravel(), minlength=3 * BINS)
    by_kind = found.reshape(3, BINS)
    return Pairs(by_kind[POSITIVE], by_kind[NEGATIVE])


def bins_of(similarities: Floats) -> npt.NDArray[np.int32]:
    """The bin of each similarity; what rounding puts outside of -1 to 1 is in the last ones."""
    places = similarities + np.float32(1.0)
    places *= PER_UNIT
    return places.clip(0, BINS - 1, out=places).astype(np.int32)


def _by_class(split: Split) -> Callable[[Positions], Kinds]:
    """(Q,) queries -> (Q, G) kinds, by the classes of both images."""
    labels = split.evaluated.labels
    of_gallery = labels[split.gallery]

    def kinds(queries: Positions) -> Kinds:
        found: Kinds = (labels[queries][:, None] == of_gallery).view(np.uint8)
        found[queries[:, None] == split.gallery] = IGNORED
        return found

    return kinds


def _graded(split: Split) -> Callable[[Positions], Kinds]:
    """(Q,) queries -> (Q, G) kinds, by what is judged of each."""
    graded = split.graded
    assert graded is not None

    def kinds(queries: Positions) -> Kinds:
        found = np.full((len(queries), len(split.evaluated)), NEGATIVE, dtype=np.uint8)
        for row, query in zip(found, queries.tolist(), strict=True):
            truth = graded[query]
            row[np.concatenate([truth.easy, truth.hard])] = POSITIVE
            row[np.append(truth.junk, query)] = IGNORED
        of_gallery: Kinds = found[:, split.gallery]
        return of_gallery

    return kinds
