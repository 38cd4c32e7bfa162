"""Counts: images and classes of a split, by part. The first thing that a wrong copy shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from registry.datasets.split import Images, Split


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Of a split as measured, or as published; None: not known beforehand."""

    train_images: int = 0
    train_classes: int | None = 0
    evaluated_images: int = 0
    evaluated_classes: int | None = 0
    """0 for landmarks, whose queries are judged one by one."""
    queries: int = 0
    gallery: int = 0
    easy: int | None = 0
    hard: int | None = 0
    junk: int | None = 0
    """Judgements, summed over queries."""

    def differences(self, found: Counts) -> Iterator[tuple[str, int, int]]:
        """Yield what, how many there should be and how many there are, where these differ."""
        for name, expected in asdict(self).items():
            number = asdict(found)[name]
            if expected is not None and expected != number:
                yield name.replace("_", " "), expected, number


def counts_of(split: Split) -> Counts:
    """Count a split."""
    graded = split.graded.values() if split.graded else ()
    return Counts(
        train_images=len(split.train) if split.train else 0,
        train_classes=_classes(split.train) if split.train else 0,
        evaluated_images=len(split.evaluated),
        evaluated_classes=_classes(split.evaluated),
        queries=len(split.queries),
        gallery=len(split.gallery),
        easy=sum(len(truth.easy) for truth in graded),
        hard=sum(len(truth.hard) for truth in graded),
        junk=sum(len(truth.junk) for truth in graded),
    )


def _classes(images: Images) -> int:
    return len(np.unique(images.labels[images.labels >= 0]))
