"""Named preprocessings: from a decoded image to the uint8 input of a network.

Each has a deterministic part, done once per image and size and kept on disk, and for training a
random one, done anew each time. Resizing is torchvision v2's, antialiased: within a grey level of
Pillow's, in which the field's published numbers were made, but for three pixels in a million (two).
Both resize across, then down; Pillow 13 (its #9549) goes down first where the height shrinks much
more than the width, so its bicubic squares of portraits differ by up to 20 levels.
"""

from __future__ import annotations

import math
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
AREAS = (0.2, 1.0)
"""Of a crop of any scale, as a share of the image (Wang et al. 2020's code, research-xbm)."""
ASPECTS = (3 / 4, 4 / 3)
"""Its width over its height."""
ATTEMPTS = 10
"""At drawing one that lies inside; torchvision's RandomResizedCrop gives up after as many."""


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


def larger_square(image: Tensor, whole: int, to: Target) -> Tensor:
    """Squash to a square of 256/224 of the size: the paper's "resized to 256 x 256"."""
    return _resize(image, [round(to.size * SHORT_SIDE)] * 2, to.interpolation)


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


def resized_crop_and_flip(pixels: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """Cut a part of random area and aspect, resize it to size x size (bilinear), flip one in two.

    torchvision's RandomResizedCrop with areas from 0.2, whose own interpolation is bilinear too.
    """
    import torch

    top, left, height, width = any_crop(pixels.shape[0], pixels.shape[1], rng)
    cut = pixels[top : top + height, left : left + width].copy()
    image = _resize(torch.from_numpy(cut).permute(2, 0, 1), [size, size], "bilinear")
    resized: Pixels = image.permute(1, 2, 0).numpy()
    return resized[:, ::-1] if rng.random() < 0.5 else resized


def any_crop(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw a crop's top, left, height and width; the largest in the centre where none fits."""
    for _ in range(ATTEMPTS):
        area = rng.uniform(*AREAS) * height * width
        aspect = math.exp(rng.uniform(math.log(ASPECTS[0]), math.log(ASPECTS[1])))
        down, across = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < down <= height and 0 < across <= width:
            top, left = rng.integers(0, [height - down + 1, width - across + 1]).tolist()
            return top, left, down, across
    across = min(width, round(height * ASPECTS[1]))
    down = min(height, round(width / ASPECTS[0]))
    return (height - down) // 2, (width - across) // 2, down, across


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
        Transform(
            name="square_random_flip",
            meaning="squash to a square of size x 256/224, random crop, horizontal flip",
            resize=larger_square,
            augment=crop_and_flip,
        ),
        Transform(
            name="random_resized_crop_flip",
            meaning="resize short side to size x 256/224, crop of 0.2-1 of the area resized to "
            "size x size, horizontal flip",
            resize=larger_short_side,
            augment=resized_crop_and_flip,
        ),
        Transform(
            name="square",
            meaning="squash to size x size, nothing random: landmarks",
            resize=square,
        ),
    ],
)
"""Of training images: recipes name them."""
