"""The training loop: AdamW, linear warm-up, cosine decay, the last checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.decode import BadImageError
from bench.identity import Model, Training
from bench.images import DECODERS, ImageSource
from bench.model import Embedder
from bench.progress import Progress
from bench.train.memory import CrossBatchMemory
from bench.train.samplers import class_balanced
from registry.datasets.split import Positions
from registry.errors import WorkError
from registry.losses import parse_loss
from registry.losses.labelled import Labelled
from registry.recipes import RECIPES, Recipe
from registry.transforms import Pixels


def train(
    embedder: Embedder,
    model: Model,
    source: ImageSource,
    *,
    device: torch.device,
    progress: Progress,
) -> dict[str, object]:
    """Train in place; returns the loss of every step and the images left out.

    Bit-equal for equal inputs on one machine's CPU. Raises WorkError where the loss is no number.
    """
    training = model.training
    assert training is not None
    recipe = RECIPES[training.recipe]
    row, parameters = parse_loss(training.loss)
    assert row.build is not None
    loss_of = row.build(parameters)
    feed = BatchSource(source, training, recipe)
    memory = CrossBatchMemory(round(recipe.memory_share * len(source.images)))
    embedder.to(device).train()
    optimiser = torch.optim.AdamW(
        embedder.parameters(),
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    losses: list[float] = []
    name = f"training {model.backbone}, {training.loss}"
    with (
        torch.random.fork_rng(devices=[]),
        progress.step(name, recipe.steps, "steps") as advance,
    ):
        torch.manual_seed(training.seed)
        for step, drawn in enumerate(feed.batches(recipe.steps)):
            set_rate(optimiser, recipe.lr * rate_at(step, recipe))
            batch = embed(embedder, *drawn, training.pooling, device)
            loss = loss_of(batch, memory.content)
            losses.append(_finite(loss, step, losses))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(embedder.parameters(), recipe.clip_norm)
            optimiser.step()
            if step >= recipe.memory_start:
                memory.add(batch)
            advance(1)
    return {"losses": losses, "skipped": feed.bad_files(), "images": len(source.images)}


def rate_at(step: int, recipe: Recipe) -> float:
    """Share of the full learning rate: linear warm-up times cosine decay to 0."""
    warmup = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    return warmup * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def embed(
    embedder: Embedder,
    pixels: Tensor,
    labels: Tensor,
    positions: Tensor,
    pooling: str,
    device: torch.device,
) -> Labelled:
    """Embed a batch into unit descriptors."""
    vectors = embedder(pixels.to(device))[pooling]
    unit = functional.normalize(vectors, dim=1)
    return Labelled(unit, labels.to(device), positions.to(device))


def _finite(loss: Tensor, step: int, before: list[float]) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise WorkError(
            f"the loss is {value} at step {step} (before: "
            f"{', '.join(f'{loss:.4g}' for loss in before[-3:]) or 'nothing'}): "
            "lower the learning rate or the margin"
        )
    return value


class BatchSource:
    """Augmented batches; each depends on the seed and its step alone."""

    def __init__(self, source: ImageSource, training: Training, recipe: Recipe) -> None:
        self.source = source
        self.seed = training.seed
        self.skip_bad = training.skip_bad_images
        self.bad = self._check()
        labels = source.images.labels
        usable = np.setdiff1d(np.arange(len(labels), dtype=np.int64), self.bad)
        self.sampler = class_balanced(
            labels,
            usable,
            classes=recipe.classes_per_batch,
            images=recipe.images_per_class,
            seed=training.seed,
        )

    def batches(self, steps: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (B, 3, S, S) uint8 images, (B,) classes and (B,) positions, one batch ahead."""
        with ThreadPoolExecutor(DECODERS) as pool:
            ahead: list[tuple[Positions, list[Future[Pixels]]]] = []
            for step in range(steps + 1):
                if step < steps:
                    ahead.append(self._ordered(step, pool))
                if step > 0:
                    yield self._collected(*ahead.pop(0))

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
