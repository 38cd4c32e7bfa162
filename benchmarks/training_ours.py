"""Our training as it is, on drawn photographs in the number of SOP's, its memory full at once."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from engine import draw, photograph
from torch.nn.functional import normalize
from training_turns import Turns

from bench.identity import Model, Training
from bench.images import ImageSource
from bench.model import build_embedder
from bench.pixels import Cache, Store
from bench.stop import Stop
from bench.tracking.events import EventsFile
from bench.train import loop
from bench.train.checkpoint import Checkpoint
from bench.train.feed import BatchSource
from bench.train.images import TrainingImages, nothing
from bench.train.snapshot import write_snapshot
from bench.train.state import State, take_down
from registry.datasets.split import Images, labelled
from registry.losses.labelled import Labelled
from registry.recipes import parse_recipe
from registry.timm_models import backbone_row
from registry.transforms import AUGMENTATIONS, Pixels, Target

IMAGES, CLASSES = 59_551, 11_318
"""Of SOP's training split."""
ACTIVE = 2.58
"""Standard deviations that the margin is above the mean of drawn similarities: 0.5 % are above."""


@dataclass(frozen=True)
class Task:
    """What is trained, and how."""

    backbone: str
    resolution: int
    batch: int
    precision: str
    device: torch.device
    photographs: int
    images: int = IMAGES
    classes: int = CLASSES

    def model(self, steps: int) -> Model:
        """Name the training as a run does."""
        row = backbone_row(self.backbone)
        changes = f"clip_norm=1,drop_path=0,batch_images={self.batch},precision={self.precision}"
        training = Training(
            train="drawn",
            images="",
            pooling=row.pooling,
            loss=f"contrastive(beta={ACTIVE / math.sqrt(row.width):.3f})+koleo",
            recipe=f"irt-sop(steps={steps},{changes})",
            head_dims=None,
            nested=False,
            selected_on=None,
            selected_images=None,
            seed=0,
            skip_bad_images=False,
        )
        return Model(self.backbone, "scratch", self.resolution, 0, training)


class Repeated(Store):
    """A store of a few images that stand for many: each is read and checked as often."""

    def __init__(self, folder: Path, kept: int, cache: Cache) -> None:
        super().__init__(folder, kept, cache)
        self._kept = kept

    def get(self, position: int) -> Pixels | None:
        """Return the image that stands for this one."""
        return super().get(position % self._kept)


@dataclass(frozen=True)
class Measured:
    """What is measured beside the turns: seconds."""

    decoding: float
    """Of an image, with its resizing, in one thread."""
    feeding: float
    """Of an image, from the cache, in the feed's threads, with nothing else to do."""
    writing: float
    """Of a checkpoint."""


def train_in_turns(task: Task, steps: int, turns: Turns, folder: Path) -> Measured:
    """Train by bench.train.loop.train, each step a turn."""
    source, decoding = drawn_source(task, folder)
    model, states = task.model(steps), []
    row = backbone_row(task.backbone)
    embedder = build_embedder(model, [row.pooling])
    events = EventsFile(folder)
    events.start("training", "training", {})
    told = loop.Told(turns, Checkpoint(folder, "", Stop(), print), events)
    images = TrainingImages(source, nothing())
    with memory_full(task, source.images, states), turns.timing():
        loop.train(embedder, model, images, told, device=task.device)
    (state,) = states
    return Measured(decoding, _feeding(state, task), _writing(state, folder))


def drawn_source(task: Task, folder: Path) -> tuple[ImageSource, float]:
    """Draw photographs, and decode them into a cache; returns the seconds of decoding one."""
    root = folder / "photographs"
    draw(root, task.photographs, photograph)
    files = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.jpg"))]
    paths = [files[position % len(files)] for position in range(task.images)]
    classes = [str(position * task.classes // task.images) for position in range(task.images)]
    transform = AUGMENTATIONS[parse_recipe("irt-sop").transform]
    target = Target(task.resolution, backbone_row(task.backbone).interpolation)
    cache = folder / "cache"
    cache.mkdir()
    store = Repeated(cache, len(files), Cache(cache, 10**10))
    source = ImageSource(labelled(root, paths, classes), transform, target, store=store)
    started = time.perf_counter()
    for position in range(len(files)):
        source.resized(position)
    return source, (time.perf_counter() - started) / len(files)


@contextmanager
def memory_full(task: Task, images: Images, states: list[State]) -> Iterator[None]:
    """Have trainings begin with a memory of drawn descriptors, and write no checkpoint."""
    begin = loop.begin

    def begun(*arguments: Any, **named: Any) -> State:
        state = begin(*arguments, **named)
        states.append(state)
        positions = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
        labels = torch.from_numpy(images.labels)
        width = backbone_row(task.backbone).width
        for some in torch.split(positions, task.batch):
            rows = normalize(torch.randn(len(some), width), dim=1)
            parts = (part.to(task.device) for part in (rows, labels[some], some))
            state.memory.add(Labelled(*parts))
        return state

    with patch.object(loop, "begin", begun), patch("bench.train.checkpoint.SECONDS", math.inf):
        yield


def _feeding(state: State, task: Task) -> float:
    batches = 1 + max(4, 256 // task.batch)
    feed = BatchSource(state.feed.source, state.feed.sampler, 0)
    drawn = feed.batches(batches)
    next(drawn)
    started = time.perf_counter()
    images = sum(len(batch.labels) for batch in drawn)
    return (time.perf_counter() - started) / images


def _writing(state: State, folder: Path) -> float:
    started = time.perf_counter()
    write_snapshot(take_down(state), folder / "checkpoint")
    return time.perf_counter() - started
