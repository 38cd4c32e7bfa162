"""From image files to uint8 batches: decoded ahead in threads, kept on disk, augmented."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from bench.decode import BadImageError, MissingImageError, cut, read_image
from bench.pixels import Store
from registry.datasets.lists import place_in_lists
from registry.datasets.split import Images
from registry.transforms import Pixels, Target, Transform

DECODERS = min(16, max(2, os.cpu_count() or 2))
"""Threads: most of their work is done without the interpreter's lock."""
AHEAD = 3
"""Batches decoded before they are asked for."""


@dataclass(frozen=True)
class ImageSource:
    """Images with their preprocessing."""

    images: Images
    transform: Transform
    target: Target
    upright: bool = False
    """Whether EXIF orientation is applied."""
    store: Store | None = None
    """Where resized images are kept."""

    def resized(self, position: int) -> Pixels:
        """Decode an image, cut it to its box, resize it: (h, w, 3). Raises BadImageError."""
        kept = self.store.get(position) if self.store else None
        if kept is not None:
            return kept
        path = self.images.root / self.images.paths[position]
        try:
            image = read_image(path, upright=self.upright)
        except MissingImageError as error:
            listed = place_in_lists(self.images.root, self.images.paths[position])
            raise BadImageError(f"{error}{listed}") from None
        whole = max(image.shape[-2:])
        box = (self.images.boxes or {}).get(position)
        if box is not None:
            image = cut(image, box, path)
        made = self.transform.resize(image, whole, self.target)
        pixels = np.ascontiguousarray(made.permute(1, 2, 0).numpy())
        if self.store:
            self.store.put(position, pixels)
        return pixels

    def augmented(self, position: int, seed: tuple[int, ...]) -> Pixels:
        """Return one random variant of an image: (size, size, 3); the seed is all its chance."""
        pixels = self.resized(position)
        if self.transform.augment is None:
            return pixels
        made = self.transform.augment(pixels, self.target.size, np.random.default_rng(seed))
        return np.ascontiguousarray(made)  # here, in a thread, and not where batches are made


@dataclass(frozen=True)
class Batch:
    """Decoded images of one shape, and images that could not be decoded."""

    positions: list[int]
    pixels: Pixels
    """(B, h, w, 3)."""
    bad: dict[int, str]
    """Position -> what was wrong."""


def batches(source: ImageSource, *, size: int, skip_bad: bool) -> Iterator[Batch]:
    """Decode all images in order, some batches ahead of their use; raises BadImageError.

    With skip_bad unreadable images are told instead. Images of different shapes are never in one
    batch.
    """
    count = len(source.images)
    with ThreadPoolExecutor(DECODERS) as pool:
        pending = (
            [
                (position, pool.submit(source.resized, position))
                for position in range(first, min(first + size, count))
            ]
            for first in range(0, count, size)
        )
        ready = list(islice(pending, AHEAD))
        while ready:
            try:
                good, bad = _collected(ready.pop(0), skip_bad=skip_bad)
            except BadImageError:
                pool.shutdown(cancel_futures=True)
                raise
            ready += islice(pending, 1)
            yield from _by_shape(good, bad)


def _collected(
    futures: list[tuple[int, Future[Pixels]]], *, skip_bad: bool
) -> tuple[list[tuple[int, Pixels]], dict[int, str]]:
    good: list[tuple[int, Pixels]] = []
    bad: dict[int, str] = {}
    for position, future in futures:
        try:
            good.append((position, future.result()))
        except BadImageError as error:
            if not skip_bad:
                raise
            bad[position] = str(error)
    return good, bad


def _by_shape(good: list[tuple[int, Pixels]], bad: dict[int, str]) -> Iterator[Batch]:
    groups: dict[tuple[int, ...], list[tuple[int, Pixels]]] = {}
    for position, pixels in good:
        groups.setdefault(pixels.shape, []).append((position, pixels))
    for group in groups.values():
        positions = [position for position, _ in group]
        yield Batch(positions, np.stack([pixels for _, pixels in group]), bad)
        bad = {}
    if bad:
        yield Batch([], np.empty((0, 0, 0, 3), dtype=np.uint8), bad)
