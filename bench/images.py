"""From image files to uint8 batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
from PIL import Image

from registry.datasets.split import Images
from registry.errors import WorkError
from registry.transforms import Transform

Pixels = npt.NDArray[np.uint8]
DECODERS = 2
AHEAD = 3
"""Batches decoded before they are asked for."""


class BadImageError(WorkError):
    """An image that cannot be decoded."""


@dataclass(frozen=True)
class Preprocessing:
    """A transform with the size and interpolation of a network's input."""

    transform: Transform
    size: int
    interpolation: str


@dataclass(frozen=True)
class Sample:
    """One image to decode: its place in a list, and the randomness of its augmentation."""

    position: int
    seed: tuple[int, ...] = ()


def decode(images: Images, sample: Sample, how: Preprocessing) -> Pixels:
    """Decode one image, crop it to its box, preprocess it: (size, size, 3).

    EXIF orientation is left alone, as the field's loaders leave it. Raises BadImageError naming
    the file.
    """
    path = images.root / images.paths[sample.position]
    try:
        with Image.open(path) as file:
            image = _eight_bits(file).convert("RGB")
    except FileNotFoundError:
        raise BadImageError(f"there is no image {path}: is the dataset complete?") from None
    except Exception as error:  # decoders fail in many ways on files that are no images
        raise BadImageError(
            f"cannot read image {path} ({error}): fetch it again, or leave bad images out "
            "and have them counted with --skip-bad-images"
        ) from error
    box = (images.boxes or {}).get(sample.position)
    if box is not None:
        left, top, right, bottom = (round(edge) for edge in box)
        image = image.crop((left, top, right, bottom))
    rng = np.random.default_rng(sample.seed)
    return np.asarray(how.transform.apply(image, how.size, how.interpolation, rng))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits, where converting alone would clip it to white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Batch:
    """Decoded images, and those that could not be."""

    positions: list[int]
    pixels: Pixels
    """(B, size, size, 3)."""
    bad: dict[int, str]
    """Position -> what was wrong."""


def batches(images: Images, how: Preprocessing, *, size: int, skip_bad: bool) -> Iterator[Batch]:
    """Decode all images in order, some batches ahead of their use."""
    with ThreadPoolExecutor(DECODERS) as pool:
        pending = (
            [
                (position, pool.submit(decode, images, Sample(position), how))
                for position in range(first, min(first + size, len(images)))
            ]
            for first in range(0, len(images), size)
        )
        ready = list(islice(pending, AHEAD))
        while ready:
            batch, bad = ready.pop(0), {}
            good: list[tuple[int, Pixels]] = []
            for position, future in batch:
                try:
                    good.append((position, future.result()))
                except BadImageError as error:
                    if not skip_bad:
                        pool.shutdown(cancel_futures=True)
                        raise
                    bad[position] = str(error)
            ready += islice(pending, 1)
            yield _batch(good, bad, how)


def _batch(good: Sequence[tuple[int, Pixels]], bad: dict[int, str], how: Preprocessing) -> Batch:
    empty = np.empty((0, how.size, how.size, 3), dtype=np.uint8)
    pixels = np.stack([pixels for _, pixels in good]) if good else empty
    return Batch([position for position, _ in good], pixels, bad)
