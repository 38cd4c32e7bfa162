"""Which images a stage reads, how they are preprocessed, and under which key they are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from bench.identity import DECODING_VERSION, Extraction, Model, Training, digest
from bench.images import ImageSource
from bench.train.images import TrainingImages, Validation, everything, leave_one_out, nothing
from bench.train.validation import held_out
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


def training_images(model: Model, training: Training, context: Context) -> TrainingImages:
    """The images that a network learns from, augmented as its recipe says, and those it must not.

    A checkpoint is selected on what will be measured (and marked), on a part that the authors keep
    for it, or on classes that are held out of the training images.
    """
    recipe = parse_recipe(training.recipe)
    split = context.split(training.train)
    images = split.train
    assert images is not None  # job.py prunes trainings without a training split
    seen = Seen(model.backbone, model.resolution, AUGMENTATIONS[recipe.transform])
    about = {"dataset": training.train, "part": "train", "images": training.images, "crop": None}
    learned = TrainingImages(_source(images, seen, about, context), nothing(), split.pairs)
    if recipe.selection == "last":
        return learned
    seen = seen._replace(transform=TRANSFORMS[source_row(training.train).transform])
    if training.selected_on and training.selected_images:
        return replace(learned, validation=_test(training, seen, context))
    if split.validation:
        source = _source(split.validation, seen, {**about, "part": "validation"}, context)
        return replace(learned, validation=leave_one_out(source, everything(split.validation)))
    _, held = held_out(images.labels, recipe.validation_share)
    validation = leave_one_out(_source(images, seen, about, context), held)
    return replace(learned, held_out=held, validation=validation)


def _test(training: Training, seen: Seen, context: Context) -> Validation:
    """What is measured in the end: a checkpoint that is selected on it says so everywhere."""
    name = training.selected_on or ""
    split = context.split(name)
    about = {
        "dataset": name,
        "part": "evaluated",
        "images": training.selected_images,
        "crop": None,
    }
    seen = seen._replace(transform=TRANSFORMS[source_row(name).transform])
    source = _source(split.evaluated, seen, about, context)
    return Validation(source, split.queries, split.gallery)


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
