"""Which images make up a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from registry.datasets.split import Positions
from registry.errors import WorkError


class ClassBalanced(Iterator[Positions]):
    """Endless batches of classes x images positions, drawn from usable ones.

    Classes are drawn without replacement, images of a class too; a class with too few images is
    never drawn. Raises WorkError where there are too few such classes.
    """

    def __init__(
        self, labels: Positions, usable: Positions, *, classes: int, images: int, seed: int
    ) -> None:
        groups = [usable[labels[usable] == label] for label in np.unique(labels[usable])]
        self.groups = [group for group in groups if len(group) >= images]
        if len(self.groups) < classes:
            raise WorkError(
                f"a batch takes {images} images of each of {classes} classes, and the training "
                f"split has {len(self.groups)} classes with that many images: add images, or use "
                "another recipe"
            )
        self.classes = classes
        self.images = images
        self.rng = np.random.default_rng(seed)

    def __next__(self) -> Positions:
        drawn = self.rng.choice(len(self.groups), size=self.classes, replace=False)
        return np.concatenate(
            [
                self.rng.choice(self.groups[index], size=self.images, replace=False)
                for index in drawn
            ]
        )

    @property
    def place(self) -> dict[str, Any]:
        """What the batches to come depend on, for JSON; set it to go on from there."""
        return dict(self.rng.bit_generator.state)

    @place.setter
    def place(self, place: dict[str, Any]) -> None:
        self.rng.bit_generator.state = place
