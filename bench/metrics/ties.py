"""Ranking: what one query's full ranking amounts to, ties included, without sorting the gallery.

A metric of a ranking depends only on where the relevant images stand. So for each distinct
similarity that a relevant image has, it is enough to count: the relevant images with it, the
irrelevant ones tied with them, and the irrelevant ones above. Metrics are then expected values over
random orders inside every tie, in closed form; without ties they are the plain metric.

Legend: Q queries, G gallery images, D dims, T distinct similarities of relevant images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]

BLOCK_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Ranking:
    """One query's outcome: T groups of relevant images, the most similar first."""

    positives: Counts
    """(T,) relevant images in each group, at least one."""
    negatives_tied: Counts
    """(T,) irrelevant images with exactly the group's similarity."""
    negatives_above: Counts
    """(T,) irrelevant images with a higher similarity."""

    @property
    def n_positives(self) -> int:
        """Relevant images in the gallery; 0 makes the query an empty one."""
        return int(self.positives.sum())

    @property
    def tied(self) -> bool:
        """Whether any relevant image is tied with an irrelevant one."""
        return bool(self.negatives_tied.any())

    def groups(self) -> Iterator[Group]:
        """Yield the groups with their place in the ranking."""
        before = 0
        for positives, tied, above in zip(
            self.positives.tolist(),
            self.negatives_tied.tolist(),
            self.negatives_above.tolist(),
            strict=True,
        ):
            yield Group(above + before, positives + tied, positives, before)
            before += positives


@dataclass(frozen=True)
class Group:
    """Images of one similarity, in any order among themselves."""

    start: int
    """Images ranked above the whole group."""
    size: int
    positives: int
    positives_before: int

    def expected_before(self, offsets: Counts) -> npt.NDArray[np.float64]:
        """Relevant images expected above an offset, given that a relevant one stands there."""
        if self.size == 1:
            return np.full(len(offsets), float(self.positives_before))
        share = (self.positives - 1) / (self.size - 1)
        return self.positives_before + share * offsets.astype(np.float64)


def ranking(similarities: Floats, relevant: Counts, excluded: Counts) -> Ranking:
    """Count one query's groups from its (G,) similarities.

    relevant and excluded are positions in the gallery. Excluded images (the query itself, junk)
    count neither way; one that is both is excluded.
    """
    negative = np.ones(len(similarities), dtype=bool)
    negative[relevant] = False
    negative[excluded] = False
    wanted = similarities[np.setdiff1d(relevant, excluded)]
    values, positives = np.unique(wanted, return_counts=True)
    values, positives = values[::-1], positives[::-1]
    irrelevant = np.sort(similarities[negative])
    below = np.searchsorted(irrelevant, values, side="left")
    not_above = np.searchsorted(irrelevant, values, side="right")
    return Ranking(
        positives=positives.astype(np.int64),
        negatives_tied=(not_above - below).astype(np.int64),
        negatives_above=(len(irrelevant) - not_above).astype(np.int64),
    )


def similarities(queries: Floats, gallery: Floats) -> Floats:
    """Inner products, computed in float64 and rounded to float32: (Q, D), (G, D) -> (Q, G).

    The rounding makes equal vectors tie exactly, whatever the block they are in: float64 products
    of equal vectors differ by less than float32 can show.
    """
    products = queries.astype(np.float64) @ gallery.astype(np.float64).T
    return products.astype(np.float32)


def rankings(
    queries: Floats,
    gallery: Floats,
    judged: Callable[[int], tuple[Counts, Counts]],
    advance: Callable[[int], None] = lambda n: None,
) -> Iterator[Ranking]:
    """Rank the gallery for every query, in blocks of bounded memory.

    judged(query) returns its relevant and its excluded positions in the gallery.
    """
    rows = max(1, BLOCK_BYTES // (12 * max(1, len(gallery))))
    for first in range(0, len(queries), rows):
        block = similarities(queries[first : first + rows], gallery)
        for offset, row in enumerate(block):
            yield ranking(row, *judged(first + offset))
        advance(len(block))
