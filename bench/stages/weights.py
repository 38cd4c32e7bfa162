"""Weights: train a model, or take it as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file, save

from bench.execution.artifacts import read_json, write_json
from bench.identity import Model, key_of
from bench.model import Embedder, build_embedder
from bench.sources import training_images
from bench.stages.context import Context
from bench.tracking.runs import final_values, track_training
from bench.train.checkpoint import Checkpoint
from bench.train.group import ALONE, Group
from bench.train.loop import Told, train
from registry.recipes import parse_recipe

STATE, LOG = "weights.safetensors", "training.json"


def train_weights(model: Model, context: Context, group: Group = ALONE) -> None:
    """Train a model; there is nothing to do for one that needs no training.

    Of several processes the first leaves the artifact.
    """
    if model.training is None:
        return
    checkpoint = checkpoint_of(model, context)
    drop_path = parse_recipe(model.training.recipe).drop_path
    embedder = build_embedder(model, [model.training.pooling], drop_path=drop_path)
    images = training_images(model, model.training, context)

    def write(folder: Path) -> None:
        state = {name: value.cpu().contiguous() for name, value in embedder.state_dict().items()}
        (folder / STATE).write_bytes(save(state))  # save_file has errors of its own for a full disk
        write_json(folder / LOG, log)

    with track_training(model, model.training, context.tracker) as summary:
        log = train(
            embedder,
            model,
            images,
            Told(context.progress, checkpoint, context.tracker),
            device=context.device,
            group=group,
        )
        if group.size > 1:
            context.meter.notes.append(f"trained by {group.size} processes: costs are of the first")
        if group.first:
            context.publish(model, write)
        summary |= final_values(log)
    if group.first:
        checkpoint.remove()


def checkpoint_of(model: Model, context: Context) -> Checkpoint:
    """Say where a training leaves its state while it is under way."""
    folder = context.artifacts.checkpoint(model)
    return Checkpoint(folder, key_of(model), context.stop, context.record)


def load_embedder(
    model: Model,
    poolings: Sequence[str],
    context: Context,
    *,
    any_shape: bool = False,
    resolution: int | None = None,
) -> Embedder:
    """Build a model with its final weights, for these poolings, for squares or any shape.

    resolution is that of the squares, where it is not the one of training.
    """
    embedder = build_embedder(model, poolings, any_shape=any_shape)
    if model.training is not None:
        embedder.load_state_dict(load_file(context.artifacts.open(model) / STATE))
    other = resolution not in (None, model.resolution)
    if resolution and other and embedder.row.sized and not any_shape:
        embedder.take_images_of(resolution)
    return embedder


def training_log(model: Model, context: Context) -> dict[str, object]:
    """Return what a training wrote down: losses, skipped images. Empty for an untrained model."""
    return read_json(context.artifacts.open(model) / LOG) if model.training else {}
