"""Rankings: where the relevant images of each query stand, ties included, without a ranking.

A metric depends only on where relevant images stand. So for each distinct similarity that a
relevant image has (a group) it is enough to know the relevant images with it, the irrelevant ones
tied with them, and the irrelevant ones above. Metrics are expected values over random orders inside
every tie, in closed form; without ties they are the plain metric.

Legend: Q queries, N groups of all queries together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from registry.errors import UsageError

Counts = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FirstHits:
    """The first group of each query: all that Recall@K and the reciprocal rank depend on."""

    positives: Counts
    """(Q,) relevant images with the highest similarity of any; 0: nothing is relevant."""
    negatives_tied: Counts
    """(Q,) irrelevant images with exactly that similarity."""
    negatives_above: Counts
    """(Q,) irrelevant images with a higher one."""

    @property
    def answerable(self) -> npt.NDArray[np.bool_]:
        """(Q,) whether anything is relevant."""
        return self.positives > 0


@dataclass(frozen=True)
class Rankings:
    """All groups of each query, the most similar first."""

    starts: Counts
    """(Q + 1,): those of query q are starts[q] : starts[q + 1]."""
    positives: Counts
    """(N,) relevant images in each group, at least one."""
    negatives_tied: Counts
    """(N,) irrelevant images with exactly the group's similarity."""
    negatives_above: Counts
    """(N,) irrelevant images with a higher similarity."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def queries(self) -> Counts:
        """(N,) query of each group."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @cached_property
    def n_positives(self) -> Counts:
        """(Q,) relevant images in the gallery; 0 makes the query an empty one."""
        return self.summed(self.positives).astype(np.int64)

    @cached_property
    def positives_before(self) -> Counts:
        """(N,) relevant images in the groups before."""
        upto: Counts = np.concatenate([[0], np.cumsum(self.positives)]).astype(np.int64)
        before: Counts = upto[:-1] - upto[self.starts[:-1]][self.queries]
        return before

    @property
    def size(self) -> Counts:
        """(N,) images in each group."""
        return self.positives + self.negatives_tied

    @property
    def start(self) -> Counts:
        """(N,) images ranked above each group."""
        return self.negatives_above + self.positives_before

    @property
    def tied(self) -> npt.NDArray[np.bool_]:
        """(Q,) whether any relevant image is tied with an irrelevant one."""
        return self.summed(self.negatives_tied) > 0

    def summed(self, values: npt.NDArray[np.generic]) -> Doubles:
        """Add up a number per group by query: (N,) -> (Q,)."""
        weights = values.astype(np.float64)
        return np.bincount(self.queries, weights, minlength=len(self)).astype(np.float64)

    def mean_over_positives(self, values: Doubles) -> Doubles:
        """Add up by query and divide by its relevant images; NaN where it has none."""
        n = self.n_positives
        return np.where(n > 0, self.summed(values) / np.maximum(n, 1), np.nan)

    def first(self) -> FirstHits:
        """The first group of each query."""
        there = np.diff(self.starts) > 0
        found = []
        for values in (self.positives, self.negatives_tied, self.negatives_above):
            first = np.zeros(len(self), dtype=np.int64)
            first[there] = values[self.starts[:-1][there]]
            found.append(first)
        return FirstHits(*found)


def joined(parts: Sequence[Rankings]) -> Rankings:
    """Rankings of queries after one another."""
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    return Rankings(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.positives for part in parts]),
        np.concatenate([part.negatives_tied for part in parts]),
        np.concatenate([part.negatives_above for part in parts]),
    )


def check_k(k: object) -> None:
    """Raise UsageError for a K that is no number of images."""
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise UsageError(f"K = {k}: give a whole number of images, 1 or more")
