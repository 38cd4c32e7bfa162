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
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from bench.job import Job
from registry.datasets import Dataset, dataset_row, training_row
from registry.losses import parse_loss
from registry.poolings import POOLINGS
from registry.projections import PROJECTIONS
from registry.recipes import RECIPES
from registry.timm_models import backbone_row
from registry.transforms import TRANSFORMS
from registry.weights import parse_weights

TRAINING_VERSION = 1
EXTRACTION_VERSION = 1
FIT_VERSION = 1
DESCRIPTORS_VERSION = 1
SCORES_VERSION = 1
"""Raise one when the numbers that its stage produces change."""


@dataclass(frozen=True)
class Training:
    """What a network learns, and from what."""

    train: str
    """Name of the dataset whose training split it is."""
    pooling: str
    loss: str
    recipe: str
    head_dims: int | None
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
    part: str
    """evaluated or train."""
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
    dataset: str


Stage = Model | Extraction | Features | Fit | Descriptors | Scores


def scores_of(job: Job, *, skip_bad_images: bool) -> Scores:
    """Follow a job back through the stages it needs."""
    model = Model(
        backbone=job.backbone,
        weights=job.weights,
        resolution=job.resolution,
        scratch_seed=job.seed if job.weights == "scratch" else None,
        training=_training(job, skip_bad_images),
    )
    evaluated = Features(Extraction(model, job.dataset, "evaluated", skip_bad_images), job.pooling)
    fit = None
    if PROJECTIONS[job.projection].fitted:
        source = training_row(job.train or "own", job.dataset)
        fitted = Features(Extraction(model, source.name, "train", skip_bad_images), job.pooling)
        fit = Fit(fitted if source.train_images else evaluated, job.projection)
    return Scores(Descriptors(evaluated, fit, job.dims), job.dataset)


def _training(job: Job, skip_bad_images: bool) -> Training | None:
    if not job.trained or job.train is None or job.recipe is None or job.seed is None:
        return None
    return Training(
        train=training_row(job.train, job.dataset).name,
        pooling=job.pooling,
        loss=job.loss,
        recipe=job.recipe,
        head_dims=job.dims if PROJECTIONS[job.projection].learned else None,
        seed=job.seed,
        skip_bad_images=skip_bad_images,
    )


def source_row(name: str) -> Dataset:
    """Return the row whose images an extraction or a training reads."""
    return training_row(name, name)


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
            version = POOLINGS[pooling].version
            return {
                "extraction": key_of(extraction),
                "pooling": pooling,
                "version": version,
            }
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
        case Scores(descriptors, dataset):
            row = dataset_row(dataset)
            return {
                "descriptors": key_of(descriptors),
                "measure": row.measure,
                "ks": row.ks,
                "version": SCORES_VERSION,
            }


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
    loss, parameters = parse_loss(training.loss)
    recipe, row = RECIPES[training.recipe], source_row(training.train)
    return {
        "images": row.identity,
        "skip_bad_images": training.skip_bad_images,
        "pooling": [training.pooling, POOLINGS[training.pooling].version],
        "loss": [loss.name, parameters, loss.version],
        "recipe": {key: value for key, value in asdict(recipe).items() if key != "meaning"},
        "transform": [recipe.transform, TRANSFORMS[recipe.transform].version],
        "head_dims": training.head_dims,
        "seed": training.seed,
        "version": TRAINING_VERSION,
    }


def _extraction_spec(extraction: Extraction) -> dict[str, object]:
    row = source_row(extraction.dataset)
    return {
        "model": key_of(extraction.model),
        "images": row.identity,
        "part": extraction.part,
        "transform": [row.transform, TRANSFORMS[row.transform].version],
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


def report_key(job: Job, *, skip_bad_images: bool) -> str:
    """Name a job's report: its scores, and the names it is shown under."""
    scores = scores_of(job, skip_bad_images=skip_bad_images)
    shown = {"backbone": job.backbone, "dataset": dataset_row(job.dataset).title}
    return digest({"scores": key_of(scores), **shown})
