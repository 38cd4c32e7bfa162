"""Augmented batches of a training, decoded ahead in threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from bench.decode import BadImageError
from bench.identity import Training
from bench.images import DECODERS, ImageSource
from bench.train.samplers import ClassBalanced
from registry.datasets.split import Positions
from registry.recipes import Recipe
from registry.transforms import Pixels


class BatchSource:
    """Augmented batches; each depends on the seed and its step alone.

    bad are the images that an earlier part of the same training left out, None if it begins.
    """

    def __init__(
        self,
        source: ImageSource,
        training: Training,
        recipe: Recipe,
        bad: Sequence[int] | None = None,
    ) -> None:
        self.source = source
        self.seed = training.seed
        self.skip_bad = training.skip_bad_images
        self.bad = self._check() if bad is None else np.array(bad, dtype=np.int64)
        labels = source.images.labels
        usable = np.setdiff1d(np.arange(len(labels), dtype=np.int64), self.bad)
        self.sampler = ClassBalanced(
            labels,
            usable,
            classes=recipe.classes_per_batch,
            images=recipe.images_per_class,
            seed=training.seed,
        )
        self.place = self.sampler.place
        """The sampler's after the last batch that was yielded: it draws ahead of that."""

    def batches(self, steps: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (B, 3, S, S) uint8 images, (B,) classes and (B,) positions, one batch ahead.

        Those of steps before the first are not drawn: the sampler goes on from self.place.
        """
        self.sampler.place = self.place
        with ThreadPoolExecutor(DECODERS) as pool:
            ahead = []
            for step in range(first, steps + 1):
                if step < steps:
                    ahead.append((self._ordered(step, pool), self.sampler.place))
                if step > first:
                    ordered, self.place = ahead.pop(0)
                    yield self._collected(*ordered)

    def _ordered(
        self, step: int, pool: ThreadPoolExecutor
    ) -> tuple[Positions, list[Future[Pixels]]]:
        positions = next(self.sampler)
        futures = [
            pool.submit(self.source.augmented, int(position), (self.seed, step, slot))
            for slot, position in enumerate(positions)
        ]
        return positions, futures

    def _collected(
        self, positions: Positions, futures: list[Future[Pixels]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        pixels = np.stack([future.result() for future in futures])
        stacked = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        labels = torch.from_numpy(self.source.images.labels[positions])
        return stacked, labels, torch.from_numpy(positions)

    def bad_files(self) -> list[str]:
        """Name the images that were left out."""
        return [self.source.images.paths[position] for position in self.bad]

    def _check(self) -> Positions:
        """Decode everything once: with --skip-bad-images, to know what to leave out."""
        if not self.skip_bad:
            return np.empty(0, dtype=np.int64)
        bad = []
        for position in range(len(self.source.images)):
            try:
                self.source.resized(position)
            except BadImageError:
                bad.append(position)
        return np.array(bad, dtype=np.int64)
