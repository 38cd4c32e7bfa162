"""What the fields of a recipe may be, each alone and together."""

from __future__ import annotations

from collections.abc import Callable

from registry.calls import format_call
from registry.errors import UsageError
from registry.recipe import Recipe

LARGEST = 1e9
AT_LEAST_ONE = ("steps", "batch_images", "images_per_class")
POSITIVE = ("lr", "decay")
AT_MOST_ONE = ("layer_decay",)
SHARES_BELOW_ONE = ("memory_momentum", "ema", "drop_path", "validation_share")
FREE = ("train_blocks",)
"""-1 means something."""

RULES: tuple[tuple[Callable[[Recipe], bool], str], ...] = (
    (
        lambda recipe: (
            recipe.sampler not in ("class_balanced", "hard_class")
            or recipe.batch_images % recipe.images_per_class == 0
        ),
        "batch_images must be a multiple of images_per_class",
    ),
    (
        lambda recipe: (
            recipe.sampler != "tuples"
            or (recipe.negatives > 0 and recipe.batch_images % (2 + recipe.negatives) == 0)
        ),
        "sampler=tuples needs negatives, and batch_images of whole tuples: a multiple of "
        "2 + negatives",
    ),
    (
        lambda recipe: (
            recipe.sampler != "tuples" or min(recipe.pairs_per_epoch, recipe.pool_images) > 0
        ),
        "sampler=tuples needs pairs_per_epoch and pool_images",
    ),
    (
        lambda recipe: (
            recipe.epoch_steps > 0
            or (recipe.sampler not in ("tuples", "hard_class") and recipe.schedule != "exponential")
        ),
        "sampler=tuples, sampler=hard_class and schedule=exponential need epoch_steps",
    ),
    (
        lambda recipe: (
            recipe.sampler != "tuples"
            or recipe.pairs_per_epoch * (2 + recipe.negatives)
            >= recipe.epoch_steps * recipe.batch_images
        ),
        "sampler=tuples: pairs_per_epoch are too few for epoch_steps batches",
    ),
    (
        lambda recipe: recipe.memory_share > 0 or not recipe.memory_momentum,
        "memory_momentum is of the encoder that fills a memory: give memory_share",
    ),
    (
        lambda recipe: recipe.memory_order == "after" or not recipe.memory_momentum,
        "memory_order=before is of the network's own descriptors: leave out memory_momentum",
    ),
    (
        lambda recipe: recipe.selection != "validation" or recipe.validation_share > 0,
        "selection=validation needs classes held out: validation_share above 0",
    ),
)
"""What has to hold between fields, and what to say where it does not."""


def check_recipe(recipe: Recipe) -> Recipe:
    """Return a recipe that can be trained by; raises UsageError for any other."""
    for name, value in vars(recipe).items():
        if isinstance(value, int | float) and not _possible(name, value):
            raise UsageError(f"recipe.{name}={value} is out of range")
    for holds, message in RULES:
        if not holds(recipe):
            given = {"sampler": recipe.sampler, "batch_images": recipe.batch_images}
            raise UsageError(f"recipe {format_call(recipe.name, given)}: {message}")
    return recipe


def _possible(name: str, value: float) -> bool:
    if name in FREE:
        return value >= -1
    if name in AT_LEAST_ONE:
        return 1 <= value <= LARGEST
    if name in POSITIVE:
        return value > 0
    if name in AT_MOST_ONE:
        return 0 <= value <= 1
    return 0 <= value < 1 if name in SHARES_BELOW_ONE else 0 <= value <= LARGEST
