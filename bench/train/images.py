"""What a training is given: images to learn from, and others to select its checkpoint on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.images import ImageSource
from registry.datasets.split import Images, Positions


@dataclass(frozen=True)
class Validation:
    """Images by which checkpoints are compared, preprocessed as evaluated ones are."""

    source: ImageSource
    queries: Positions
    gallery: Positions


@dataclass(frozen=True)
class TrainingImages:
    """Images to learn from."""

    source: ImageSource
    held_out: Positions
    """Positions that nothing is learned from."""
    pairs: Positions | None = None
    """(P, 2) anchors and positives, as in Split; None where classes say it."""
    validation: Validation | None = None


def leave_one_out(source: ImageSource, positions: Positions) -> Validation:
    """Compare each of these images with the others."""
    return Validation(source, positions, positions)


def everything(images: Images) -> Positions:
    """Every position."""
    return np.arange(len(images), dtype=np.int64)


def nothing() -> Positions:
    """No position."""
    return np.empty(0, dtype=np.int64)
