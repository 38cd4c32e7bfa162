"""Named preprocessings: from a decoded image to the uint8 input of a network.

Each has a deterministic part, done once per image and size and kept on disk, and for training a
random one, done anew each time. Resizing is torchvision v2's, antialiased: within a grey level of
Pillow's, in which the field's published numbers were made, but for three pixels in a million (two).
Both resize across, then down; Pillow 13 (its #9549) goes down first where the height shrinks much
more than the width, so its bicubic squares of portraits differ by up to 20 levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from registry.table import Table

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]
SHORT_SIDE = 256 / 224
"""Short side over crop: resize 256, crop 224, and in proportion for other sizes."""


@dataclass(frozen=True)
class Target:
    """What a network wants to be given."""

    size: int
    """Pixels; of which side, the transform says."""
    interpolation: str
    multiple: int = 1
    """Sides that keep the aspect are rounded to it: a ViT's patch."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """How an RGB image becomes a network's input."""

    name: str
    meaning: str
    resize: Callable[[Tensor, int, Target], Tensor]
    """((3, H, W) image, longer side of the whole that it was cut from, target) -> (3, h, w)."""
    augment: Callable[[Pixels, int, np.random.Generator], Pixels] | None = None
    """(resized (h, w, 3), size, generator) -> (size, size, 3): the part that only trains."""
    keeps_aspect: bool = False
    """Whether the results' shapes differ; else they are size x size."""
    filter: str | None = None
    """Its own interpolation, whatever the network's is."""
    version: int = 2


def short_center(image: Tensor, whole: int, to: Target) -> Tensor:
    """Resize the short side to 256/224 of the size, crop the centre."""
    from torchvision.transforms.v2 import functional

    cropped: Tensor = functional.center_crop(larger_short_side(image, whole, to), [to.size] * 2)
    return cropped


def larger_short_side(image: Tensor, whole: int, to: Target) -> Tensor:
    """Resize the short side to 256/224 of the size."""
    return _resize(image, [round(to.size * SHORT_SIDE)], to.interpolation)


def square(image: Tensor, whole: int, to: Target) -> Tensor:
    """Squash to size x size, aspect not kept: the paper's input for landmarks (section 4.2)."""
    return _resize(image, [to.size, to.size], to.interpolation)


def long_side(image: Tensor, whole: int, to: Target) -> Tensor:
    """Resize the longer side to the size, smaller or larger."""
    return _scaled(image, to.size / max(image.shape[-2:]), to)


def short_side(image: Tensor, whole: int, to: Target) -> Tensor:
    """Resize the shorter side to the size, smaller or larger; nothing is cut off."""
    return _scaled(image, to.size / min(image.shape[-2:]), to)


def cirtorch(image: Tensor, whole: int, to: Target) -> Tensor:
    """Shrink as cnnimageretrieval-pytorch does (ImagesFromList, imresize): Pillow's thumbnail.

    The longer side becomes the size, a query's crop shrinks as much as the whole image would;
    Lanczos, never enlarged.
    """
    from PIL import Image
    from torchvision.transforms.v2 import functional

    shrunk = functional.to_pil_image(image)
    side = max(1, to.size * max(image.shape[-2:]) / whole)
    shrunk.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    return _to_multiple(functional.pil_to_tensor(shrunk), to)


def crop_and_flip(pixels: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """Cut size x size at random, flip one in two."""
    height, width = pixels.shape[:2]
    left, top = (int(rng.integers(0, side - size + 1)) for side in (width, height))
    cut = pixels[top : top + size, left : left + size]
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def _scaled(image: Tensor, scale: float, to: Target) -> Tensor:
    sides = [max(1, round(scale * side)) for side in image.shape[-2:]]
    return _resize(image, _rounded(sides, to.multiple), to.interpolation)


def _to_multiple(image: Tensor, to: Target) -> Tensor:
    sides = _rounded(list(image.shape[-2:]), to.multiple)
    return image if sides == list(image.shape[-2:]) else _resize(image, sides, to.interpolation)


def _rounded(sides: list[int], multiple: int) -> list[int]:
    return [max(1, round(side / multiple)) * multiple for side in sides]


def _resize(image: Tensor, sides: list[int], interpolation: str) -> Tensor:
    from torchvision.transforms.v2 import InterpolationMode, functional

    mode = InterpolationMode(interpolation)
    resized: Tensor = functional.resize(image, sides, mode, antialias=True)
    return resized


TRANSFORMS: Table[Transform] = Table(
    "transform",
    [
        Transform(
            name="short_center",
            meaning="resize short side to size x 256/224, centre crop",
            resize=short_center,
        ),
        Transform(name="square", meaning="squash to size x size", resize=square),
        Transform(
            name="long_side",
            meaning="resize long side to size, aspect kept",
            resize=long_side,
            keeps_aspect=True,
        ),
        Transform(
            name="short_side",
            meaning="resize short side to size, aspect kept",
            resize=short_side,
            keeps_aspect=True,
        ),
        Transform(
            name="cirtorch",
            meaning="shrink long side to size, a crop in proportion, Lanczos, never enlarged",
            resize=cirtorch,
            keeps_aspect=True,
            filter="Lanczos (Pillow's thumbnail)",
        ),
    ],
)
"""Of evaluated images: the values of the transform axis."""

AUGMENTATIONS: Table[Transform] = Table(
    "augmentation",
    [
        Transform(
            name="short_random_flip",
            meaning="resize short side to size x 256/224, random crop, horizontal flip",
            resize=larger_short_side,
            augment=crop_and_flip,
        ),
    ],
)
"""Of training images: recipes name them."""
