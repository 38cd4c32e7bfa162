"""Augmented batches of a training, decoded ahead in threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.decode import BadImageError
from bench.images import DECODERS, ImageSource
from bench.train.group import ALONE, Group
from bench.train.samplers import Sampler, tuple_numbers
from registry.datasets.split import Positions
from registry.transforms import Pixels


class Drawn(NamedTuple):
    """A batch of B images, of which this process has its part."""

    pixels: Tensor
    """(b, 3, S, S) uint8: this process' part."""
    labels: Tensor
    """(B,) classes."""
    images: Tensor
    """(B,) positions."""
    tuples: Tensor | None
    """(B,) numbers of tuples, where the batch is made of such."""


class Ordered(NamedTuple):
    """A batch that is being decoded, and where the sampler was after it."""

    positions: Positions
    pixels: list[Future[Pixels]]
    place: Any


class BatchSource:
    """Augmented batches; each depends on the sampler, the seed and its step alone."""

    def __init__(
        self,
        source: ImageSource,
        sampler: Sampler,
        seed: int,
        group: Group = ALONE,
        labels: Positions | None = None,
    ) -> None:
        self.source = source
        self.labels = source.images.labels if labels is None else labels
        """(N,) classes as the loss is to know them."""
        self.sampler = sampler
        self.seed = seed
        self.group = group
        self.place = sampler.place
        """The sampler's after the last batch that was yielded: it draws ahead of that."""

    def batches(self, steps: int, first: int = 0) -> Iterator[Drawn]:
        """Yield batches, one ahead; but one that waits for the network is drawn when it is asked.

        Those of steps before the first are not drawn: the sampler goes on from self.place.
        """
        self.sampler.place = self.place
        with ThreadPoolExecutor(DECODERS) as pool:
            ahead: Ordered | None = None
            for step in range(first, steps):
                ordered = ahead or self._ordered(step, pool)
                last = step + 1 == steps
                ahead = None if last or self.sampler.waits else self._ordered(step + 1, pool)
                self.place = ordered.place
                yield self._collected(ordered)

    def _ordered(self, step: int, pool: ThreadPoolExecutor) -> Ordered:
        positions = next(self.sampler)
        own = self.group.part(len(positions))
        futures = [
            pool.submit(self.source.augmented, int(positions[slot]), (self.seed, step, slot))
            for slot in range(own.start, own.stop)
        ]
        return Ordered(positions, futures, self.sampler.place)

    def _collected(self, ordered: Ordered) -> Drawn:
        positions = ordered.positions
        pixels = np.stack([future.result() for future in ordered.pixels])
        tuples = tuple_numbers(self.sampler, positions)
        return Drawn(
            torch.from_numpy(pixels).permute(0, 3, 1, 2),
            torch.from_numpy(self.labels[positions]),
            torch.from_numpy(positions),
            None if tuples is None else torch.from_numpy(tuples),
        )


def unreadable(source: ImageSource, positions: Positions) -> Positions:
    """Decode images once: with --skip-bad-images, to know what to leave out."""
    bad = []
    for position in positions.tolist():
        try:
            source.resized(position)
        except BadImageError:
            bad.append(position)
    return np.array(bad, dtype=np.int64)
