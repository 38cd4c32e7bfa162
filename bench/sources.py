"""Which images a stage reads, how they are preprocessed, and under which key they are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.identity import DECODING_VERSION, Extraction, Model, Training, digest
from bench.images import ImageSource
from registry.datasets import source_row
from registry.datasets.split import Images
from registry.recipes import RECIPES
from registry.timm_models import backbone_row
from registry.transforms import AUGMENTATIONS, TRANSFORMS, Target, Transform

if TYPE_CHECKING:
    from bench.stages.context import Context


def evaluation_source(extraction: Extraction, context: Context) -> ImageSource:
    """The images that an extraction passes over."""
    split = context.split(extraction.dataset)
    images = split.train if extraction.part == "train" else split.evaluated
    assert images is not None
    if extraction.crop == "none":
        images = replace(images, boxes=None)
    about = {
        "dataset": extraction.dataset,
        "part": extraction.part,
        "images": extraction.images,
        "crop": extraction.crop,
    }
    transform = TRANSFORMS[extraction.transform]
    return _source(images, transform, extraction.model, about, context)


def training_source(model: Model, training: Training, context: Context) -> ImageSource:
    """The images that a network is trained on."""
    images = context.split(training.train).train
    assert images is not None  # job.py prunes trainings without a training split
    about = {"dataset": training.train, "part": "train", "images": training.images, "crop": None}
    transform = AUGMENTATIONS[RECIPES[training.recipe].transform]
    return _source(images, transform, model, about, context)


def _source(
    images: Images,
    transform: Transform,
    model: Model,
    about: dict[str, str | None],
    context: Context,
) -> ImageSource:
    row = backbone_row(model.backbone)
    upright = source_row(str(about["dataset"])).upright
    multiple = row.stride if transform.keeps_aspect and row.sized else 1
    target = Target(model.resolution, row.interpolation, multiple)
    content = {
        **about,
        "resize": [transform.resize.__name__, transform.version],
        "size": target.size,
        "interpolation": target.interpolation,
        "multiple": target.multiple,
        "upright": upright,
        "decoding": DECODING_VERSION,
    }
    named = {key: value for key, value in content.items() if key != "dataset"}
    store = context.cache.store(digest(named), len(images), content)
    return ImageSource(images, transform, target, upright, store)
