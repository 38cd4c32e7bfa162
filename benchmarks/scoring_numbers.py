"""What a method is, and the numbers from the positions that a peer returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from scoring_data import Case, Classes, Data, Integers, Landmarks

Numbers = dict[str, float]
KS = (1, 10, 100, 1000)
ROWS = 1024


@dataclass(frozen=True)
class Method:
    """A way to the numbers, for images judged by class, by lists, or both."""

    title: str
    module: str
    classes: Callable[[Classes], Numbers] | None = None
    landmarks: Callable[[Landmarks], Numbers] | None = None
    alone_only: bool = False
    most_images: int | None = None

    @property
    def installed(self) -> bool:
        """Whether its module can be found; nothing is imported."""
        return find_spec(self.module) is not None

    def suits(self, case: Case) -> bool:
        """Whether it has a way for such a case."""
        if not case.classes:
            return self.landmarks is not None
        return self.classes is not None and (case.alone or not self.alone_only)

    def run(self, data: Data) -> Numbers:
        """Score; only for what it suits."""
        if isinstance(data, Landmarks):
            assert self.landmarks
            return self.landmarks(data)
        assert self.classes
        return self.classes(data)


def recalls_of_positions(
    found: npt.NDArray[np.integer], labels: Integers, gallery_labels: Integers, *, alone: bool
) -> Numbers:
    """(Q, K) gallery positions, the nearest first -> R@K; alone: each query is among them."""
    ranks = np.empty(len(found), dtype=np.int64)
    for start in range(0, len(found), ROWS):
        rows = slice(start, start + ROWS)
        own = np.arange(start, start + len(found[rows])) if alone else None
        ranks[rows] = _first_hit(found[rows], labels[rows], gallery_labels, own)
    return {f"R@{k}": float(np.mean(ranks < k)) for k in KS}


def _first_hit(
    found: npt.NDArray[np.integer],
    labels: Integers,
    gallery_labels: Integers,
    own: Integers | None,
) -> Integers:
    """Images before the first of the query's class; more than any K where there is none."""
    hits = gallery_labels[found] == labels[:, None]
    own_place = np.full(len(found), found.shape[1])
    if own is not None:
        itself = found == own[:, None]
        hits &= ~itself
        own_place = np.where(itself.any(axis=1), itself.argmax(axis=1), own_place)
    places = np.where(hits.any(axis=1), hits.argmax(axis=1), found.shape[1] + KS[-1])
    ranks: Integers = places - (own_place < places)
    return ranks


def mean_average_precision(
    found: npt.NDArray[np.integer], relevant: list[Integers], ignored: list[Integers]
) -> Numbers:
    """(Q, K) gallery positions -> mAP as revisitop computes it; what was cut off counts nothing."""
    values = [
        _average_precision(*row)
        for row in zip(found, relevant, ignored, strict=True)
        if len(row[1])
    ]
    return {"mAP": float(np.mean(values))}


def _average_precision(
    found: npt.NDArray[np.integer], relevant: Integers, ignored: Integers
) -> float:
    hits = np.flatnonzero(np.isin(found, relevant))
    ranks = hits - np.searchsorted(np.flatnonzero(np.isin(found, ignored)), hits)
    before = np.arange(len(ranks))
    left = np.where(ranks == 0, 1.0, before / np.maximum(ranks, 1))
    return float(np.sum(left + (before + 1) / (ranks + 1))) / (2 * len(relevant))
