"""Which images make up a batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from registry.datasets.split import Positions
from registry.errors import WorkError


def class_balanced(
    labels: Positions, usable: Positions, *, classes: int, images: int, seed: int
) -> Iterator[Positions]:
    """Yield endless batches of classes x images positions, drawn from usable ones.

    Classes are drawn without replacement, images of a class too; a class with too few images is
    never drawn. Raises WorkError where there are too few such classes.
    """
    groups = [usable[labels[usable] == label] for label in np.unique(labels[usable])]
    groups = [group for group in groups if len(group) >= images]
    if len(groups) < classes:
        raise WorkError(
            f"a batch takes {images} images of each of {classes} classes, and the training split "
            f"has {len(groups)} classes with that many images: add images, or use another recipe"
        )
    rng = np.random.default_rng(seed)
    while True:
        drawn = rng.choice(len(groups), size=classes, replace=False)
        yield np.concatenate(
            [rng.choice(groups[index], size=images, replace=False) for index in drawn]
        )
