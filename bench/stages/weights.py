"""Weights: train a model, or take it as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file

from bench.execution.artifacts import read_json, write_json
from bench.identity import Model
from bench.model import Embedder, build_embedder
from bench.sources import training_source
from bench.stages.context import Context
from bench.train.loop import train

STATE, LOG = "weights.safetensors", "training.json"


def ensure_weights(model: Model, context: Context) -> None:
    """Train the model unless that was done; there is nothing to do for an untrained one."""
    if model.training is None or context.artifacts.has(model):
        return
    embedder = build_embedder(model, [model.training.pooling])
    source = training_source(model, model.training, context)
    log = train(embedder, model, source, device=context.device, progress=context.progress)

    def write(folder: Path) -> None:
        state = {name: value.cpu().contiguous() for name, value in embedder.state_dict().items()}
        save_file(state, folder / STATE)
        write_json(folder / LOG, log)

    context.artifacts.publish(model, write)


def load_embedder(
    model: Model, poolings: Sequence[str], context: Context, *, any_shape: bool = False
) -> Embedder:
    """Build a model with its final weights, for these poolings, for squares or any shape."""
    embedder = build_embedder(model, poolings, any_shape=any_shape)
    if model.training is not None:
        ensure_weights(model, context)
        embedder.load_state_dict(load_file(context.artifacts.path(model) / STATE))
    return embedder


def training_log(model: Model, context: Context) -> dict[str, object]:
    """Return what a training wrote down: losses, skipped images. Empty for an untrained model."""
    return read_json(context.artifacts.path(model) / LOG) if model.training else {}
