"""The training loop: AdamW, linear warm-up, cosine decay, the last checkpoint."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.identity import Model
from bench.images import ImageSource
from bench.micro_batch import MicroBatch
from bench.model import Embedder
from bench.progress import Progress
from bench.tracking.tracker import UNTRACKED, Tracker
from bench.train.checkpoint import Checkpoint
from bench.train.feed import BatchSource
from bench.train.memory import CrossBatchMemory
from bench.train.state import State, put_back
from bench.train.step import Objective, gradient, whole_only
from registry.errors import WorkError
from registry.losses import parse_loss
from registry.recipes import RECIPES, Recipe

FIX = "use a recipe with fewer images in a batch, a lower resolution, or another --device"
"""Where memory is too small."""


def train(  # noqa: PLR0913 - what it trains, and who is told
    embedder: Embedder,
    model: Model,
    source: ImageSource,
    *,
    device: torch.device,
    progress: Progress,
    checkpoint: Checkpoint,
    tracker: Tracker = UNTRACKED,
) -> dict[str, object]:
    """Train in place; returns the loss of every step and the images left out.

    Bit-equal for equal inputs on one machine's CPU, stopped and resumed or not. Raises WorkError
    where the loss is no number or memory too small, Interrupted when asked to stop.
    """
    training = model.training
    assert training is not None
    recipe = RECIPES[training.recipe]
    row, parameters = parse_loss(training.loss)
    assert row.build is not None
    objective = Objective(training.pooling, row.build(parameters))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        found = checkpoint.read(embedder, device)
        feed = BatchSource(source, training, recipe, found.facts["bad"] if found else None)
        state = begin(embedder, feed, recipe, device)
        if found:
            put_back(found, state)
        first = len(state.losses)
        name = f"training {model.backbone}, {training.loss}"
        images = recipe.batch_images
        micro = MicroBatch(
            images,
            device,
            f"{name}, at {model.resolution} pixels",
            record=lambda text: checkpoint.note(f"{text}; the loss sees all {images}"),
            fix=FIX,
            whole=whole_only(embedder),
        )
        if found:
            checkpoint.note(f"{name}: resumed at step {first} of {recipe.steps}")
        with (
            progress.step(name, recipe.steps, "steps", first) as advance,
            checkpoint.stop.deferred(),
        ):
            for step, drawn in enumerate(feed.batches(recipe.steps, first), first):
                rate = recipe.lr * rate_at(step, recipe)
                set_rate(state.optimiser, rate)
                loss, batch = gradient(state, drawn, objective, micro)
                state.losses.append(_finite(loss, step, state.losses, checkpoint))
                learn(state, recipe.clip_norm)
                tracker.log(step, {"loss": state.losses[-1], "lr": rate})
                if step >= recipe.memory_start:
                    state.memory.add(batch)
                checkpoint.after_step(state)
                advance(1)
    return {"losses": state.losses, "skipped": feed.bad_files(), "images": len(source.images)}


def begin(embedder: Embedder, feed: BatchSource, recipe: Recipe, device: torch.device) -> State:
    """Make the state before the first step."""
    embedder.to(device).train()
    optimiser = torch.optim.AdamW(
        embedder.parameters(),
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    memory = CrossBatchMemory(round(recipe.memory_share * len(feed.source.images)))
    return State(embedder, optimiser, memory, feed, device)


def learn(state: State, clip_norm: float) -> None:
    """Move the parameters down the gradient."""
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), clip_norm)
    state.optimiser.step()


def rate_at(step: int, recipe: Recipe) -> float:
    """Share of the full learning rate: linear warm-up times cosine decay to 0."""
    warmup = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    return warmup * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimiser.param_groups:
        group["lr"] = rate


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
