"""Rankings: one query's gallery in order, as code bases differ about it.

An order takes what is known of a query and its similarities, and says who stands where: what is
left out, what counts as relevant, what happens inside ties.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bench.delta.similarities import Doubles, Floats, Positions

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Standing:
    """Every rank at which a relevant image can stand, the best first: (M,) each."""

    ranks: Positions
    """0-based."""
    chance: Doubles
    """Probability that the image at this rank is relevant, ties in random order."""
    before: Doubles
    """Relevant images expected above, given that a relevant one stands here."""


@dataclass(frozen=True)
class Ranking:
    """A gallery in order, at least to its last relevant image; order inside ties is random."""

    hits: Flags
    """Whether the image at each rank is relevant."""
    ties: Positions
    """Number of the tie that each rank belongs to: 0, 0, 1, 2, 2 ..."""
    relevant: int
    """Relevant images that a perfect ranking would hold."""
    cut: int | None = None
    """Ranks from here on are not looked at."""

    @property
    def tied(self) -> bool:
        """Whether any rank is shared."""
        return bool(len(self.ties)) and int(self.ties[-1]) + 1 < len(self.ties)

    def tie_of(self, rank: int) -> tuple[int, int, int]:
        """The tie that a rank belongs to: its first rank, its images, its hits."""
        start, end = np.searchsorted(self.ties, [self.ties[rank], self.ties[rank] + 1])
        return int(start), int(end - start), int(self.hits[start:end].sum())

    @cached_property
    def standing(self) -> Standing:
        """In a tie of n with p hits each rank holds one with p / n, (p - 1) / (n - 1) after it."""
        size = np.bincount(self.ties)
        hits = np.bincount(self.ties, weights=self.hits)
        start, hits_above = np.cumsum(size) - size, np.cumsum(hits) - hits
        ranks = np.flatnonzero(hits[self.ties] > 0)
        if self.cut is not None:
            ranks = ranks[ranks < self.cut]
        tie = self.ties[ranks]
        share = (hits[tie] - 1) / np.maximum(size[tie] - 1, 1)
        before = hits_above[tie] + share * (ranks - start[tie])
        return Standing(ranks, hits[tie] / size[tie], before)


@dataclass(frozen=True)
class Judged:
    """One query: its similarities to the gallery, and which places of the gallery are what."""

    single: Floats
    """(G,) as we compute them: float64 products rounded to float32."""
    half: Floats
    """(G,) of float16 descriptors, rounded to float16."""
    relevant: Positions
    """Neither the query itself nor ignored."""
    ignored: Positions
    """Junk, and what another setup asks for."""
    own: Positions
    """The query itself: one place, or none."""

    @cached_property
    def ranking(self) -> Ranking:
        """Our own, which several orders start from."""
        return ranked(self.single, self.relevant, np.concatenate([self.ignored, self.own]))


Order = Callable[[Judged], Ranking]


def ranked(similarities: Floats, relevant: Positions, left_out: Positions) -> Ranking:
    """Sort the gallery as far as its last relevant image; ties stand in gallery order."""
    near = similarities >= similarities[relevant].min(initial=np.inf)
    near[left_out] = False
    places = np.flatnonzero(near)
    places = places[np.argsort(-similarities[places], kind="stable")]
    values = similarities[places]
    changes = np.concatenate([np.zeros(1, bool), values[1:] != values[:-1]])[: len(values)]
    wanted = np.zeros(len(similarities), dtype=bool)
    wanted[relevant] = True
    return Ranking(wanted[places], np.cumsum(changes), len(relevant))


def in_expectation(judged: Judged) -> Ranking:
    """Our own: the query left out by identity, ties in random order."""
    return judged.ranking


def by_place(judged: Judged) -> Ranking:
    """Ties in gallery order, as a stable sort leaves them."""
    return _untied(judged.ranking)


def relevant_first(judged: Judged) -> Ranking:
    """Ties in favour: only what is more similar than a relevant image stands above it."""
    return _within_ties(judged.ranking, ~judged.ranking.hits)


def relevant_last(judged: Judged) -> Ranking:
    """Ties against."""
    return _within_ties(judged.ranking, judged.ranking.hits)


def in_half_precision(judged: Judged) -> Ranking:
    """float16 descriptors and similarities, ties in gallery order."""
    left_out = np.concatenate([judged.ignored, judged.own])
    return _untied(ranked(judged.half, judged.relevant, left_out))


def without_first(judged: Judged) -> Ranking:
    """The first image left out in place of the query, which counts as relevant where it stays."""
    relevant = np.concatenate([judged.relevant, judged.own])
    full = _untied(ranked(judged.single, relevant, judged.ignored))
    return Ranking(full.hits[1:], full.ties[1:] - 1, len(judged.relevant))


def with_ignored(judged: Judged) -> Ranking:
    """What is to be ignored stands in the ranking, as irrelevant."""
    return ranked(judged.single, judged.relevant, judged.own)


def cut_at(judged: Judged, *, ranks: int, order: Order = in_expectation) -> Ranking:
    """Only the first ranks of an order."""
    return replace(order(judged), cut=ranks)


def _untied(ranking: Ranking) -> Ranking:
    return replace(ranking, ties=np.arange(len(ranking.hits))) if ranking.tied else ranking


def _within_ties(ranking: Ranking, key: Flags) -> Ranking:
    """Sort inside each tie: those without the key first."""
    if not ranking.tied:
        return ranking
    return _untied(replace(ranking, hits=ranking.hits[np.lexsort((key, ranking.ties))]))
