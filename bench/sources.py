"""Which images a stage reads, how they are preprocessed, and under which key they are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from bench.identity import DECODING_VERSION, Extraction, Training, digest
from bench.images import ImageSource
from registry.datasets import source_row
from registry.datasets.split import Images
from registry.recipes import parse_recipe
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
    seen = Seen(extraction.model.backbone, extraction.resolution, transform)
    return _source(images, seen, about, context)


def training_source(
    training: Training, backbone: str, resolution: int, context: Context
) -> ImageSource:
    """The images that a network is trained on, augmented as its recipe says."""
    images = context.split(training.train).train
    assert images is not None  # job.py prunes trainings without a training split
    transform = AUGMENTATIONS[parse_recipe(training.recipe).transform]
    about = {"dataset": training.train, "part": "train", "images": training.images, "crop": None}
    return _source(images, Seen(backbone, resolution, transform), about, context)


def validation_source(
    training: Training, backbone: str, resolution: int, context: Context
) -> ImageSource:
    """The images that a checkpoint is selected on, as evaluated images are preprocessed.

    Those of the dataset that will be measured, a validation part where a training set has one, or
    the training images, of which some classes are held out.
    """
    name, content, part = training.train, training.images, "train"
    split = context.split(training.selected_on or name)
    images = split.validation or split.train
    if training.selected_on and training.selected_images:
        name, content, part = training.selected_on, training.selected_images, "evaluated"
        images = split.evaluated
    elif split.validation:
        part = "validation"
    assert images is not None
    about = {"dataset": name, "part": part, "images": content, "crop": None}
    transform = TRANSFORMS[source_row(name).transform]
    return _source(images, Seen(backbone, resolution, transform), about, context)


class Seen(NamedTuple):
    """Who sees images, how large, and after what."""

    backbone: str
    resolution: int
    transform: Transform


def _source(
    images: Images, seen: Seen, about: dict[str, str | None], context: Context
) -> ImageSource:
    row, transform = backbone_row(seen.backbone), seen.transform
    upright = source_row(str(about["dataset"])).upright
    multiple = row.stride if transform.keeps_aspect and row.sized else 1
    target = Target(seen.resolution, row.interpolation, multiple)
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
