"""Named preprocessings: from an image on disk to the square uint8 input of a network.

Pillow's antialiased resize, through torchvision: the pixels the field's published numbers rest on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.table import Table

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

SHORT_SIDE = 256 / 224
"""Short side over crop: resize 256, crop 224, and in proportion for other sizes."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """How an RGB image becomes size x size; random ones draw from the generator they are given."""

    name: str
    meaning: str
    apply: Callable[[Image, int, str, np.random.Generator], Image]
    """(image, size in pixels, interpolation, generator) -> size x size image."""
    version: int = 1


def short_center(image: Image, size: int, mode: str, rng: np.random.Generator) -> Image:
    """Resize the short side to 256/224 of the size, crop the centre."""
    from torchvision.transforms.v2 import functional

    cropped: Image = functional.center_crop(_short_side(image, size, mode), [size, size])
    return cropped


def square(image: Image, size: int, mode: str, rng: np.random.Generator) -> Image:
    """Squash to size x size, aspect not kept: the paper's input for landmarks (section 4.2)."""
    from torchvision.transforms.v2 import functional

    squashed: Image = functional.resize(image, [size, size], _interpolation(mode))
    return squashed


def short_random_flip(image: Image, size: int, mode: str, rng: np.random.Generator) -> Image:
    """Resize the short side to 256/224 of the size, crop at random, flip one in two."""
    from torchvision.transforms.v2 import functional

    resized = _short_side(image, size, mode)
    left, top = (int(rng.integers(0, side - size + 1)) for side in resized.size)
    cropped: Image = functional.crop(resized, top, left, size, size)
    if rng.random() < 0.5:
        cropped = functional.horizontal_flip(cropped)
    return cropped


def _short_side(image: Image, size: int, mode: str) -> Image:
    from torchvision.transforms.v2 import functional

    resized: Image = functional.resize(image, [round(size * SHORT_SIDE)], _interpolation(mode))
    return resized


def _interpolation(mode: str) -> object:
    from torchvision.transforms.v2 import InterpolationMode

    return InterpolationMode(mode)


TRANSFORMS: Table[Transform] = Table(
    "transform",
    [
        Transform(
            name="short_center",
            meaning="resize short side to size x 256/224, centre crop",
            apply=short_center,
        ),
        Transform(name="square", meaning="squash to size x size", apply=square),
        Transform(
            name="short_random_flip",
            meaning="resize short side to size x 256/224, random crop, horizontal flip",
            apply=short_random_flip,
        ),
    ],
)
