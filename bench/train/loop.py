"""The training loop: a step, what follows from it, and what is told of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from bench.identity import Model, Training
from bench.micro_batch import MicroBatch
from bench.model import Embedder
from bench.progress import Progress
from bench.tracking.tracker import UNTRACKED, Tracker
from bench.train.begin import begin
from bench.train.checkpoint import Checkpoint
from bench.train.feed import unreadable
from bench.train.group import ALONE, Group
from bench.train.images import TrainingImages, Validation, everything, nothing
from bench.train.looks import Watch, said, select
from bench.train.schedule import rate_at, set_rate
from bench.train.snapshot import Snapshot
from bench.train.state import State, put_back
from bench.train.step import gradient, momentum_batch, whole_only
from registry.datasets.split import Positions
from registry.errors import WorkError
from registry.recipe import Recipe
from registry.recipes import parse_recipe

FIX = "use a recipe with fewer images in a batch, a lower resolution, or another --device"
"""Where memory is too small."""


@dataclass(frozen=True)
class Told:
    """Who hears of a training, and where it leaves its state."""

    progress: Progress
    checkpoint: Checkpoint
    tracker: Tracker = field(default=UNTRACKED)


def train(
    embedder: Embedder,
    model: Model,
    images: TrainingImages,
    told: Told,
    *,
    device: torch.device,
    group: Group = ALONE,
) -> dict[str, object]:
    """Train in place; returns the loss of every step, the images left out and what was selected.

    Bit-equal for equal inputs on one machine's CPU, stopped and resumed or not. Raises WorkError
    where the loss is no number or memory too small, Interrupted when asked to stop.
    """
    training = model.training
    assert training is not None
    recipe = parse_recipe(training.recipe)
    checkpoint = told.checkpoint
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        found = group.shared(lambda: checkpoint.read(embedder, device, group.size))
        bad = _left_out(images, training, found, group)
        images = _readable(images, training, group)
        state = begin(
            embedder,
            training,
            recipe,
            images,
            bad,
            device=device,
            group=group,
            warn=checkpoint.note,
        )
        if found:
            put_back(found, state)
        _go_through(state, recipe, images, told, _name(model, training))
    _settle(state)
    if state.precision.skipped:
        checkpoint.note(
            f"{state.precision.skipped} of {recipe.steps} steps were skipped: their gradients "
            "overflowed in fp16"
        )
    return {
        "losses": state.losses,
        "skipped": [images.source.images.paths[position] for position in bad],
        "images": len(images.source.images) - len(images.held_out),
        "selected": state.selection.summary,
    }


def _go_through(
    state: State, recipe: Recipe, images: TrainingImages, told: Told, name: str
) -> None:
    """Do all steps that are left."""
    first, watch = len(state.losses), Watch(state)
    micro = _micro_batch(state, recipe, name, told.checkpoint)
    if first:
        told.checkpoint.note(f"{name}: resumed at step {first} of {recipe.steps}")
    with (
        told.checkpoint.stop.deferred(),
        told.progress.step(name, recipe.steps, "steps", first) as advance,
    ):
        for step, drawn in enumerate(state.feed.batches(recipe.steps, first), first):
            rate = recipe.lr * rate_at(step, recipe)
            set_rate(state.optimiser, rate)
            done = gradient(state, drawn, micro)
            loss = _finite(done.loss, step, state.losses, told.checkpoint)
            learn(state)
            if state.fills("after"):
                state.memory.add(momentum_batch(state, drawn, done.batch, micro.size))
            state.losses.append(loss)
            watch.stop()
            select(state, images.validation, step + 1, recipe.steps, micro.size)
            values = watch.values(done, rate)
            told.tracker.log(step, values)
            told.checkpoint.after_step(state)
            advance(1, said(values, state))


def learn(state: State) -> None:
    """Move the parameters down the gradient, and their averages after them."""
    learned = [*state.network.parameters(), *state.objective.parameters()]
    state.precision.learn(state.optimiser, learned, state.recipe.clip_norm)
    for average in (state.encoder, state.average):
        if average is not None:
            average.update()


def _settle(state: State) -> None:
    """Give the network the weights that are kept."""
    if state.selection.how != "last":
        state.selection.apply(state.network)
    elif state.average is not None:
        put = state.average.tensors
        with torch.no_grad():
            for name, tensor in [
                *state.network.named_parameters(),
                *state.network.named_buffers(),
            ]:
                tensor.copy_(put[name])


def _left_out(
    images: TrainingImages, training: Training, found: Snapshot | None, group: Group
) -> Positions:
    """Find the images that cannot be read, or those that were found when the training began."""
    if found:
        return np.array(found.facts["bad"], dtype=np.int64)
    if not training.skip_bad_images:
        return nothing()
    return group.shared(lambda: unreadable(images.source, everything(images.source.images)))


def _readable(images: TrainingImages, training: Training, group: Group) -> TrainingImages:
    """Leave out what cannot be read of the images that a checkpoint is selected on."""
    shown = images.validation
    if shown is None or not training.skip_bad_images:
        return images
    looked_at = np.union1d(shown.queries, shown.gallery)
    bad = group.shared(lambda: unreadable(shown.source, looked_at))
    queries, gallery = (np.setdiff1d(part, bad) for part in (shown.queries, shown.gallery))
    return replace(images, validation=Validation(shown.source, queries, gallery))


def _name(model: Model, training: Training) -> str:
    return f"training {model.backbone} at {model.resolution} pixels, {training.loss}"


def _micro_batch(state: State, recipe: Recipe, name: str, checkpoint: Checkpoint) -> MicroBatch:
    images = recipe.batch_images
    return MicroBatch(
        images,
        state.device,
        name,
        record=lambda text: checkpoint.note(f"{text}; the loss sees all {images}"),
        fix=FIX,
        whole=whole_only(state.network),
    )


def _finite(loss: Tensor, step: int, before: list[float], checkpoint: Checkpoint) -> float:
    value = float(loss)
    if not math.isfinite(value):
        kept = f"; the last checkpoint before it stays in {checkpoint.file}"
        raise WorkError(
            f"the loss is {value} at step {step} (before: "
            f"{', '.join(f'{loss:.4g}' for loss in before[-3:]) or 'nothing'}): "
            f"lower the learning rate or the margin{kept if checkpoint.good else ''}"
        )
    return value
