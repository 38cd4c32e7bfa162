"""Training recipes: one row each; any field can be typed: recipe.lr=1e-5,3e-5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from registry.calls import format_call, number, parse_call, written
from registry.errors import UsageError
from registry.recipe import WORDS, Recipe
from registry.recipe_rules import check_recipe
from registry.table import Table, unknown
from registry.transforms import AUGMENTATIONS

PAPER = "paper, section 4.2"
REIMPLEMENTATION = "image-retrieval-transformers, which comes within a point of the paper"
CIRTORCH = "cnnimageretrieval-pytorch, whose procedure the paper takes over"

CATEGORIES: Any = {
    "batch_images": 64,
    "lr": 3e-5,
    "weight_decay": 5e-4,
    "schedule": "constant",
    "memory_share": 1.0,
    "drop_path": 0.1,
    "precision": "bf16",
    "transform": "short_random_flip",
}
"""What the paper's recipes of SOP, CUB and In-Shop share."""
CATEGORIES_REASONS = (
    ("schedule", f"constant, without warm-up: {REIMPLEMENTATION}"),
    ("drop_path", f"0.1: {REIMPLEMENTATION}"),
    ("precision", "bf16 for the network, float32 for the loss; the paper names no GPU and no type"),
    ("transform", f"'256 x 256' as short side 256: {REIMPLEMENTATION}; or square_random_flip"),
    ("memory_start", f"0, from the first step: {REIMPLEMENTATION}"),
    ("memory_order", "after its loss: pairs with itself would be left out either way"),
    ("clip_norm", "not clipped: not mentioned"),
    ("selection", "the last checkpoint: the paper does not say, and names no validation set"),
)
BALANCED = ("sampler", f"two images of each class: {REIMPLEMENTATION}")

RECIPES: Table[Recipe] = Table(
    "recipe",
    [
        Recipe(
            name="irt-sop",
            meaning=f"SOP as the paper trains ({PAPER})",
            steps=35_000,
            **CATEGORIES,
            reasons=(*CATEGORIES_REASONS, BALANCED),
        ),
        Recipe(
            name="irt-cub",
            meaning=f"CUB as the paper trains ({PAPER})",
            steps=2_000,
            sampler="random",
            **CATEGORIES,
            reasons=(
                *CATEGORIES_REASONS,
                ("sampler", f"random images, a memory of all of them: {REIMPLEMENTATION}"),
            ),
        ),
        Recipe(
            name="irt-inshop",
            meaning=f"In-Shop as the paper trains ({PAPER})",
            steps=35_000,
            **{**CATEGORIES, "memory_share": 0.2},
            memory_momentum=0.999,
            reasons=(*CATEGORIES_REASONS, BALANCED),
        ),
        Recipe(
            name="irt-landmarks",
            meaning=f"landmarks as the paper trains, on SfM-120k ({PAPER})",
            steps=40_000,
            epoch_steps=400,
            batch_images=35,
            sampler="tuples",
            pairs_per_epoch=2_000,
            pool_images=22_000,
            negatives=5,
            optimiser="adam",
            lr=5e-7,
            weight_decay=1e-6,
            schedule="exponential",
            decay=0.99005,
            pooling_lr=10.0,
            freeze_batch_norm=True,
            precision="bf16",
            transform="square",
            reasons=(
                ("schedule", f"exp(-0.01) per epoch: {CIRTORCH}"),
                ("freeze_batch_norm", f"in eval: {CIRTORCH}"),
                ("pooling_lr", f"GeM's p learns ten times as fast, without decay: {CIRTORCH}"),
                ("precision", "bf16 for the network, float32 for the loss; not mentioned"),
                ("selection", "the last checkpoint; cirtorch takes the lowest validation loss"),
            ),
        ),
        Recipe(
            name="field-default",
            meaning="fine-tuning as the field does it today: crops of any scale, cosine, warm-up",
            steps=5_000,
            batch_images=64,
            images_per_class=4,
            lr=3e-5,
            weight_decay=0.05,
            decay_biases=False,
            warmup_steps=250,
            clip_norm=1.0,
            layer_decay=0.9,
            loss_lr=100.0,
            memory_share=0.2,
            memory_start=500,
            drop_path=0.1,
            freeze_batch_norm=True,
            precision="bf16",
            channels_last=True,
            transform="random_resized_crop_flip",
            selection="validation",
            reasons=(
                ("selection", "on a tenth of the training classes, which train nothing"),
                ("loss_lr", "proxies learn a hundred times as fast: Proxy-Anchor, ProxyNCA++"),
                ("freeze_batch_norm", "usual in metric learning: MS, Proxy-Anchor, ROADMAP"),
            ),
        ),
        Recipe(
            name="photos",
            meaning="some hundred photographs, pretrained weights, minutes on two cores",
            steps=100,
            batch_images=24,
            images_per_class=3,
            lr=5e-5,
            weight_decay=5e-4,
            warmup_steps=10,
            clip_norm=1.0,
            memory_share=1.0,
            memory_start=20,
            freeze_batch_norm=True,
            transform="random_resized_crop_flip",
        ),
        Recipe(
            name="twin",
            meaning="a minute on two cores, from scratch: for the twins",
            steps=180,
            batch_images=16,
            lr=5e-4,
            weight_decay=0.05,
            warmup_steps=15,
            clip_norm=1.0,
            memory_share=0.2,
            memory_start=140,
            transform="short_random_flip",
        ),
        Recipe(
            name="smoke",
            meaning="seconds: shows that training runs, not that it learns",
            steps=30,
            batch_images=16,
            lr=2e-3,
            weight_decay=0.05,
            warmup_steps=5,
            clip_norm=1.0,
            memory_share=0.2,
            memory_start=20,
            transform="short_random_flip",
        ),
    ],
)

FIELDS = tuple(field.name for field in fields(Recipe) if field.name not in (*WORDS, "version"))
"""What can be typed: recipe.FIELD=VALUE."""
_TYPES = get_type_hints(Recipe)
YES, NO = "yes", "no"


def parse_recipe(text: str) -> Recipe:
    """Read name(field=value,...) into a row with these fields changed.

    Raises UsageError for an unknown recipe or field, or a value that a field cannot have.
    """
    name, arguments = parse_call(text, "recipe")
    changes = {field: read_field(field, value) for field, value in arguments.items()}
    return check_recipe(replace(RECIPES[name], **changes))


def format_recipe(row: Recipe) -> str:
    """Write a recipe as parse_recipe reads it: the one text form of a recipe."""
    plain = RECIPES[row.name]
    return format_call(
        row.name,
        {
            field: field_text(row, field)
            for field in FIELDS
            if getattr(row, field) != getattr(plain, field)
        },
    )


def with_fields(text: str, typed: Mapping[str, str]) -> str:
    """Change fields of a recipe that is written out; raises UsageError."""
    changes = {field: read_field(field, value) for field, value in typed.items()}
    return format_recipe(check_recipe(replace(parse_recipe(text), **changes)))


def read_field(field: str, value: str) -> Any:
    """Read a value as the type that a field has; raises UsageError."""
    if field not in FIELDS:
        raise UsageError(unknown("field of a recipe", field, FIELDS))
    kind, about, words = _TYPES[field], f"recipe.{field}", known_words(field)
    if words:
        if value not in words:
            raise UsageError(unknown(about, value, words))
        return value == YES if kind is bool else value
    found = number(about, value)
    if kind is int and found != int(found):
        raise UsageError(f"{about} must be a whole number, not {value!r}")
    return kind(found)


def known_words(field: str) -> tuple[str, ...]:
    """What a field may be, where it is no number."""
    kind = _TYPES[field]
    if kind is bool:
        return (YES, NO)
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(AUGMENTATIONS) if kind is str else ()


def field_text(row: Recipe, field: str) -> str:
    """Write a field's value as read_field reads it."""
    return value_text(getattr(row, field))


def value_text(value: Any) -> str:
    """Write a value of a field in its one text form."""
    if isinstance(value, bool):
        return YES if value else NO
    return written(value) if isinstance(value, float) else str(value)
