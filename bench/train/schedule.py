"""The learning rate of each step: a linear warm-up times a schedule."""

from __future__ import annotations

import math

import torch

from registry.recipe import Recipe


def rate_at(step: int, recipe: Recipe) -> float:
    """Share of the full learning rate: linear warm-up times the recipe's schedule."""
    warmup = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    return warmup * _scheduled(step, recipe)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group, each by its factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def _scheduled(step: int, recipe: Recipe) -> float:
    """Cosine to 0; or down in a step after each epoch_steps (torch's and cirtorch's exponential).

    cirtorch's factor is exp(-0.01) per epoch.
    """
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    if recipe.schedule == "exponential":
        return recipe.decay ** (step // recipe.epoch_steps)
    return 1.0
