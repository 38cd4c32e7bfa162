"""Split: which images are trained on, which are queries, which are gallery, what is relevant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Box = tuple[float, float, float, float]
"""left, top, right, bottom in native pixels."""


@dataclass(frozen=True)
class Images:
    """Image files with their classes, in the order of the dataset's own lists."""

    root: Path
    paths: tuple[str, ...]
    """Relative to root, as the lists write them."""
    labels: Positions
    """(N,) classes, numbered from 0 in order of first appearance."""
    boxes: Mapping[int, Box] | None = None
    """Positions of images that are cropped, in native pixels, before anything else."""

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Graded:
    """The judged images of one landmark query, as positions in the evaluated images."""

    easy: Positions
    hard: Positions
    junk: Positions


@dataclass(frozen=True)
class Split:
    """One dataset as measured. Queries and gallery are positions in the evaluated images."""

    train: Images | None
    evaluated: Images
    queries: Positions
    gallery: Positions
    graded: Mapping[int, Graded] | None = None
    """By query; None where images of the query's class are the relevant ones."""

    def without(self, bad: Positions) -> Split:
        """Leave images out of the queries, the gallery and the judgements."""
        if not len(bad):
            return self
        graded = self.graded and {
            query: Graded(*(_drop(part, bad) for part in (truth.easy, truth.hard, truth.junk)))
            for query, truth in self.graded.items()
        }
        return replace(
            self,
            queries=_drop(self.queries, bad),
            gallery=_drop(self.gallery, bad),
            graded=graded,
        )


def _drop(positions: Positions, bad: Positions) -> Positions:
    return positions[~np.isin(positions, bad)]


def number(classes: list[str]) -> Positions:
    """Number class names from 0 in order of first appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in classes], dtype=np.int64)


def leave_one_out(train: Images | None, evaluated: Images) -> Split:
    """Every evaluated image is a query against all others."""
    everything = np.arange(len(evaluated), dtype=np.int64)
    return Split(train=train, evaluated=evaluated, queries=everything, gallery=everything)
