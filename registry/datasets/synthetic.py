"""What a twin shows: so many classes or landmarks, so many images, each drawn from its numbers.

Deterministic: a picture is its twin's spec, its class, its number and the drawing's VERSION.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from registry.datasets.counts import Counts
from registry.datasets.drawing import Kind, Look, Picture, look, picture
from registry.datasets.split import Box

SIDE = 73
"""Pixels of a category image: a 64 crop's short side (64 x 256/224), so nothing is resampled."""
LANDMARK_SIDE = 96


@dataclass(frozen=True, kw_only=True)
class CategoryTwin:
    """Size of a twin with classes; images are spread evenly over them, the first get one more."""

    kind: Kind
    seed: int
    train_classes: int
    train_images: int
    test_classes: int
    test_images: int
    query_images: int | None = None
    """Test images that are queries, the others being the gallery; None: each is both."""
    side: int = SIDE

    @property
    def counts(self) -> Counts:
        """What its split holds."""
        apart = self.query_images is not None
        return Counts(
            train_images=self.train_images,
            train_classes=self.train_classes,
            evaluated_images=self.test_images,
            evaluated_classes=self.test_classes,
            queries=self.query_images if self.query_images is not None else self.test_images,
            gallery=self.test_images - (self.query_images or 0) if apart else self.test_images,
        )


@dataclass(frozen=True, kw_only=True)
class LandmarkTwin:
    """Size of a twin with landmarks."""

    name: str
    seed: int
    landmarks: int
    queries: int
    views: int
    """Gallery images of landmarks: easy, hard and junk as they fall."""
    distractors: int
    side: int = LANDMARK_SIDE
    """The longer one; the other is three quarters of it."""

    @property
    def counts(self) -> Counts:
        """What its split holds; how views are judged shows when they are drawn."""
        gallery = self.views + self.distractors
        return Counts(
            evaluated_images=self.queries + gallery,
            queries=self.queries,
            gallery=gallery,
            easy=None,
            hard=None,
            junk=None,
        )


Twin = CategoryTwin | LandmarkTwin


@dataclass(frozen=True)
class Order:
    """One image to draw."""

    path: Path
    twin: Twin
    index: int
    """Class or landmark."""
    image: int
    least: tuple[int, int] = (1, 1)
    """Width and height that it is enlarged to where it is smaller, so that a box lies in it."""


@dataclass(frozen=True)
class Drawn:
    """What can be seen on a drawn image."""

    visible: float
    box: Box


Draw = Callable[[Iterable[Order]], Sequence[Drawn]]
"""Draws images in the order they were ordered."""


def share(total: int, parts: int, index: int) -> int:
    """Size of one of the parts of an even division; the first parts take what is left over."""
    return total // parts + (index < total % parts)


def class_look(twin: Twin, index: int) -> Look:
    """Return the look of a twin's class or landmark."""
    kind: Kind = twin.kind if isinstance(twin, CategoryTwin) else "landmark"
    return look(kind, np.random.default_rng([twin.seed, index]))


def class_picture(twin: Twin, index: int, image: int) -> Picture:
    """Draw one image of a twin's class."""
    rng = np.random.default_rng([twin.seed, index, image])
    width, height = twin.side, twin.side
    if isinstance(twin, LandmarkTwin):
        height = width * 3 // 4
    return picture(class_look(twin, index), rng, width=width, height=height)


def draw_one(order: Order) -> Drawn:
    """Draw an image and write it as JPEG."""
    drawn = class_picture(order.twin, order.index, order.image)
    order.path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(drawn.pixels)
    size = tuple(max(pair) for pair in zip(image.size, order.least, strict=True))
    if size != image.size:
        image = image.resize((size[0], size[1]), Image.Resampling.NEAREST)
    image.save(order.path, format="JPEG", quality=92)
    return Drawn(drawn.visible, drawn.box)


def draw_here(orders: Iterable[Order]) -> Sequence[Drawn]:
    """Draw one after the other."""
    return [draw_one(order) for order in orders]
