"""Split: which images are trained on, which are queries, which are gallery, what is relevant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from registry.errors import WorkError

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
    classes: tuple[str, ...] = ()
    """What the lists call each class; the two parts of a split agree in them. () for landmarks."""
    boxes: Mapping[int, Box] | None = None
    """Positions of images that are cropped, in native pixels, before anything else."""

    def __len__(self) -> int:
        return len(self.paths)

    def chosen(self, positions: Positions) -> Images:
        """These images alone, in this order; their classes are numbered anew."""
        names = [self.classes[label] for label in self.labels[positions]] if self.classes else []
        boxes = self.boxes and {
            new: self.boxes[old] for new, old in enumerate(positions.tolist()) if old in self.boxes
        }
        return labelled(
            self.root, [self.paths[position] for position in positions], names, boxes=boxes
        )


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
    pairs: Positions | None = None
    """(P, 2) training images that show the same: anchor, positive; None where classes say it."""
    validation: Images | None = None
    """Images of other classes that the authors keep for choosing among trainings, where they do."""

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

    def with_distractors(self, others: Images) -> Split:
        """Append images to the evaluated ones and to the gallery: relevant to no query."""
        mine = self.evaluated
        places = np.arange(len(others), dtype=np.int64) + len(mine)
        joined = replace(
            mine,
            paths=mine.paths + others.paths,
            labels=np.concatenate([mine.labels, np.full(len(others), -1, dtype=np.int64)]),
        )
        return replace(self, evaluated=joined, gallery=np.concatenate([self.gallery, places]))


def _drop(positions: Positions, bad: Positions) -> Positions:
    return positions[~np.isin(positions, bad)]


def labelled(
    root: Path,
    paths: Sequence[str],
    classes: Sequence[str],
    *,
    boxes: Mapping[int, Box] | None = None,
) -> Images:
    """List images with the class of each; classes are numbered in order of first appearance.

    Without classes (landmarks) every label is -1. Raises WorkError for a path that leads outside.
    """
    outside = next((path for path in paths if _leads_outside(path)), None)
    if outside is not None:
        raise WorkError(f"the lists name {outside}, which lies outside {root}: nothing is read")
    numbers: dict[str, int] = {}
    labels = [numbers.setdefault(name, len(numbers)) for name in classes]
    return Images(
        root=root,
        paths=tuple(paths),
        labels=np.array(labels if classes else [-1] * len(paths), dtype=np.int64),
        classes=tuple(numbers),
        boxes=boxes,
    )


def _leads_outside(path: str) -> bool:
    return path.startswith("/") or (".." in path and ".." in path.split("/"))


def relevant_counts(split: Split) -> Positions:
    """How many images of its class each query has in the gallery, itself not counted."""
    labels = split.evaluated.labels
    in_gallery = np.bincount(labels[split.gallery], minlength=int(labels.max(initial=-1)) + 1)
    counts: Positions = in_gallery[labels[split.queries]] - np.isin(split.queries, split.gallery)
    return counts


def leave_one_out(train: Images | None, evaluated: Images) -> Split:
    """Every evaluated image is a query against all others."""
    everything = np.arange(len(evaluated), dtype=np.int64)
    return Split(train=train, evaluated=evaluated, queries=everything, gallery=everything)
