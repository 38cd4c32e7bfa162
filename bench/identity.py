"""Stages by what determines them, and the key of each: a hash of that, never of names alone.

    Model -> Extraction -> Features -> Descriptors -> Scores
                              Fit -------^

Equal stages are one stage: cells that differ only in what comes later share what comes before.
Device, workers and paths are no part of a key; rows, weights, images, recipes and versions are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.image_identity import image_identity
from bench.job import Job
from registry.datasets import Dataset, dataset_row, source_row, training_row
from registry.losses import parse_loss
from registry.poolings import POOLINGS
from registry.projections import PROJECTIONS
from registry.recipe import settings
from registry.recipes import parse_recipe
from registry.timm_models import backbone_row
from registry.transforms import AUGMENTATIONS, TRANSFORMS
from registry.weights import parse_weights

DECODING_VERSION = 1
TRAINING_VERSION = 1
EXTRACTION_VERSION = 1
FIT_VERSION = 1
DESCRIPTORS_VERSION = 2
SCORES_VERSION = 3
"""Raise one when what its stage produces changes: its numbers, or what is noted beside them."""


@dataclass(frozen=True)
class Training:
    """What a network learns, and from what."""

    train: str
    """Name of the dataset whose training split it is."""
    images: str
    """Hash of everything its lists and images depend on."""
    pooling: str
    loss: str
    recipe: str
    head_dims: int | None
    nested: bool
    """Whether the loss is over nested parts of the descriptor."""
    selected_on: str | None
    """Name of the dataset on whose evaluated images the checkpoint is selected."""
    selected_images: str | None
    """Hash of everything that its lists and images depend on."""
    seed: int
    skip_bad_images: bool


@dataclass(frozen=True)
class Model:
    """A network with its weights, trained or not."""

    backbone: str
    weights: str
    resolution: int
    scratch_seed: int | None
    training: Training | None


@dataclass(frozen=True)
class Extraction:
    """One pass of a model over the images of a dataset; yields every pooling."""

    model: Model
    dataset: str
    images: str
    """Hash of everything its lists and images depend on."""
    resolution: int
    part: str
    """evaluated or train."""
    transform: str
    crop: str | None
    """box: queries are cut to their box first."""
    skip_bad_images: bool


@dataclass(frozen=True)
class Features:
    """The pooled vectors of one extraction."""

    extraction: Extraction
    pooling: str


@dataclass(frozen=True)
class Fit:
    """A projection computed from features; its basis serves every smaller number of dims."""

    features: Features
    projection: str


@dataclass(frozen=True)
class Descriptors:
    """Unit vectors of the asked size."""

    features: Features
    fit: Fit | None
    dims: int


@dataclass(frozen=True)
class Scores:
    """Every metric of a dataset, per query."""

    descriptors: Descriptors
    distractors: Descriptors | None
    """Of images that join the gallery."""
    dataset: str

    def parts(self) -> list[Descriptors]:
        """The descriptors that are measured: the dataset's own, then those of distractors."""
        return [self.descriptors, *([self.distractors] if self.distractors else [])]

    def features(self) -> list[Features]:
        """All features it rests on, those of fits included."""
        used = self.parts()
        return [
            *(descriptors.features for descriptors in used),
            *(descriptors.fit.features for descriptors in used if descriptors.fit),
        ]


Stage = Model | Extraction | Features | Fit | Descriptors | Scores


def scores_of(job: Job, *, skip_bad_images: bool, data: Path | None = None) -> Scores:
    """Follow a job back through the stages it needs.

    data is where real datasets are looked for: once they are found, their images are part of keys.
    """
    row = dataset_row(job.dataset)

    def extraction(source: Dataset, part: str) -> Extraction:
        return Extraction(
            model=model,
            dataset=source.name,
            images=digest(image_identity(source, data)),
            resolution=job.evaluated_at,
            part=part,
            transform=job.transform,
            crop=job.crop if source.has_boxes else None,
            skip_bad_images=skip_bad_images,
        )

    model = Model(
        backbone=job.backbone,
        weights=job.weights,
        resolution=job.resolution,
        scratch_seed=job.seed if job.weights == "scratch" else None,
        training=_training(job, skip_bad_images, data),
    )
    base = dataset_row(row.base) if row.base else row
    evaluated = Features(extraction(base, "evaluated"), job.pooling)
    fit = None
    if PROJECTIONS[job.projection].fitted:
        source = training_row(job.train or "own", base.name)
        fitted = Features(extraction(source, "train"), job.pooling)
        fit = Fit(fitted if source.train_images else evaluated, job.projection)
    distractors = None
    if row.distractors:
        more = extraction(source_row(row.distractors), "evaluated")
        distractors = Descriptors(Features(more, job.pooling), fit, job.dims)
    return Scores(Descriptors(evaluated, fit, job.dims), distractors, job.dataset)


def _training(job: Job, skip_bad_images: bool, data: Path | None) -> Training | None:
    if not job.trained or job.train is None or job.recipe is None or job.seed is None:
        return None
    source = training_row(job.train, job.dataset)
    selected_on = _selected_on(job)
    projection = PROJECTIONS[job.projection]
    return Training(
        train=source.name,
        images=digest(image_identity(source, data)),
        pooling=job.pooling,
        loss=job.loss,
        recipe=job.recipe,
        head_dims=job.dims if projection.learned and not projection.nested else None,
        nested=projection.nested,
        selected_on=selected_on.name if selected_on else None,
        selected_images=digest(image_identity(selected_on, data)) if selected_on else None,
        seed=job.seed,
        skip_bad_images=skip_bad_images,
    )


def _selected_on(job: Job) -> Dataset | None:
    """Return the dataset that a checkpoint is selected on, where that is what will be measured."""
    assert job.recipe is not None
    return dataset_row(job.dataset) if parse_recipe(job.recipe).selection == "test" else None


@cache
def key_of(stage: Stage) -> str:
    """Hash everything that determines a stage's result into 16 hexadecimal digits."""
    return digest(spec_of(stage))


def digest(spec: Mapping[str, object]) -> str:
    """Hash a specification in canonical JSON."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def spec_of(stage: Stage) -> dict[str, object]:
    """Resolve a stage's names to what they stand for, earlier stages to their keys."""
    match stage:
        case Model():
            return _model_spec(stage)
        case Extraction():
            return _extraction_spec(stage)
        case Features(extraction, pooling):
            return features_spec(key_of(extraction), pooling, POOLINGS[pooling].version)
        case Fit(features, projection):
            versions = [PROJECTIONS[projection].version, FIT_VERSION]
            return {
                "features": key_of(features),
                "projection": projection,
                "version": versions,
            }
        case Descriptors(features, fit, dims):
            fitted = key_of(fit) if fit else None
            return {
                "features": key_of(features),
                "fit": fitted,
                "dims": dims,
                "version": DESCRIPTORS_VERSION,
            }
        case Scores(descriptors, distractors, dataset):
            row = dataset_row(dataset)
            return {
                "descriptors": key_of(descriptors),
                "distractors": key_of(distractors) if distractors else None,
                "measure": row.measure,
                "ks": row.ks,
                "version": SCORES_VERSION,
            }


def features_spec(extraction: str, pooling: str, version: int) -> dict[str, object]:
    """Of one pooling's vectors, by the key of their extraction: nothing else has to be known."""
    return {"extraction": extraction, "pooling": pooling, "version": version}


def _model_spec(model: Model) -> dict[str, object]:
    backbone = backbone_row(model.backbone)
    return {
        "architecture": backbone.architecture,
        "arguments": backbone.arguments,
        "mean": backbone.mean,
        "std": backbone.std,
        "interpolation": backbone.interpolation,
        "prefix": backbone.prefix,
        "resolution": model.resolution,
        "weights": weights_identity(model.weights, backbone.name, model.scratch_seed),
        "training": _training_spec(model.training) if model.training else None,
    }


def _training_spec(training: Training) -> dict[str, object]:
    recipe = parse_recipe(training.recipe)
    return {
        "images": training.images,
        "skip_bad_images": training.skip_bad_images,
        "pooling": [training.pooling, POOLINGS[training.pooling].version],
        "loss": [
            [loss.name, parameters, loss.version] for loss, parameters in parse_loss(training.loss)
        ],
        "recipe": settings(recipe),
        "transform": [recipe.transform, AUGMENTATIONS[recipe.transform].version],
        "decoding": [DECODING_VERSION, source_row(training.train).upright],
        "head_dims": training.head_dims,
        "nested": training.nested,
        "selected_on": training.selected_images,
        "seed": training.seed,
        "version": TRAINING_VERSION,
    }


def _extraction_spec(extraction: Extraction) -> dict[str, object]:
    return {
        "model": key_of(extraction.model),
        "images": extraction.images,
        "resolution": extraction.resolution,
        "part": extraction.part,
        "transform": [extraction.transform, TRANSFORMS[extraction.transform].version],
        "crop": extraction.crop,
        "decoding": [DECODING_VERSION, source_row(extraction.dataset).upright],
        "skip_bad_images": extraction.skip_bad_images,
        "version": EXTRACTION_VERSION,
    }


@cache
def weights_identity(weights: str, backbone: str, seed: int | None) -> dict[str, object]:
    """What a network starts from: a pretrained tag, a seed, or the hash of a file."""
    row = backbone_row(backbone)
    file = parse_weights(weights).file_for(row)
    if file is not None:
        return {"sha256": file_hash(file)}
    return {"scratch": seed} if weights == "scratch" else {"pretrained": row.timm}


def file_hash(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def report_key(job: Job, scores: Scores) -> str:
    """Name a job's report: its scores, and the names it is shown under."""
    shown = {"backbone": job.backbone, "dataset": dataset_row(job.dataset).title}
    return digest({"scores": key_of(scores), **shown})
