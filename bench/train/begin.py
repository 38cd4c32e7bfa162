"""The state of a training before its first step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from bench.identity import Training
from bench.model import Embedder
from bench.train.averages import Average
from bench.train.collapse import CollapseDetector
from bench.train.feed import BatchSource
from bench.train.group import Group
from bench.train.images import TrainingImages, everything
from bench.train.looks import embed_plain
from bench.train.memory import CrossBatchMemory
from bench.train.objective import Objective
from bench.train.parameters import groups, make_optimiser, prepare
from bench.train.precision import Precision
from bench.train.samplers import make_sampler
from bench.train.selection import Selection
from bench.train.state import State, tensors_of
from bench.train.synchronised import synchronise
from registry.datasets.split import Positions
from registry.losses.space import Space
from registry.recipe import Recipe


def begin(  # noqa: PLR0913 - what it is made of
    embedder: Embedder,
    training: Training,
    recipe: Recipe,
    images: TrainingImages,
    bad: Positions,
    *,
    device: torch.device,
    group: Group,
    warn: Callable[[str], None],
) -> State:
    """Make everything that a training changes; bad are images that nothing is learned from."""
    embedder.to(device).train()
    prepare(embedder, recipe)
    synchronise(embedder, device, group)
    if recipe.compile:
        embedder.compile()
    labels = images.source.images.labels
    left_out = np.concatenate([bad, images.held_out])
    usable = np.setdiff1d(everything(images.source.images), left_out)
    classes, numbers = _numbered(labels, usable)
    objective = Objective(
        training.loss,
        Space(classes, training.head_dims or embedder.row.width),
        nested=training.nested,
    ).to(device)
    group.same(tensor for part in (embedder, objective) for _, tensor in tensors_of(part))
    sampler = make_sampler(
        recipe,
        labels,
        usable,
        training.seed,
        pairs=images.pairs,
        embed=lambda positions: embed_plain(state, images.source, positions, recipe.batch_images),
    )
    state = State(
        recipe=recipe,
        network=embedder,
        pooling=training.pooling,
        objective=objective,
        optimiser=make_optimiser(groups(embedder, objective, recipe), recipe, device),
        precision=Precision(recipe, device),
        memory=CrossBatchMemory(_remembered(recipe, images) if objective.uses_memory else 0),
        feed=BatchSource(images.source, sampler, training.seed, group, numbers),
        selection=Selection(recipe.selection, recipe.validation_steps),
        collapse=CollapseDetector(warn),
        device=device,
        bad=bad,
        encoder=Average(embedder, recipe.memory_momentum)
        if recipe.memory_momentum and objective.uses_memory
        else None,
        average=Average(embedder, recipe.ema) if recipe.ema else None,
        group=group,
    )
    return state


def _remembered(recipe: Recipe, images: TrainingImages) -> int:
    return round(recipe.memory_share * (len(images.source.images) - len(images.held_out)))


def _numbered(labels: Positions, usable: Positions) -> tuple[int, Positions]:
    """Number the classes that train from 0: a class that is held out has no proxy."""
    known = np.unique(labels[usable])
    return len(known), np.searchsorted(known, labels)
