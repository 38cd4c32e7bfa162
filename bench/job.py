"""Job: one cell with a value for every axis, resolved to everything its numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from registry.backbones import Backbone
from registry.datasets import Dataset, dataset_row, training_row
from registry.losses import parse_loss
from registry.poolings import POOLINGS
from registry.projections import PROJECTIONS
from registry.timm_models import backbone_row
from registry.transforms import TRANSFORMS
from registry.weights import parse_weights

DEFAULTS = {
    "train": "own",
    "weights": "pretrained",
    "loss": "none",
    "recipe": "twin",
    "resolution": "native",
    "dims": "native",
    "seed": "0",
}
"""Used where neither the command line nor the dataset says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One field per axis. None: the axis does not matter here, so that no cell is done twice."""

    dataset: str
    train: str | None
    backbone: str
    weights: str
    pooling: str
    loss: str
    recipe: str | None
    resolution: int
    transform: str
    crop: str | None
    dims: int
    projection: str
    seed: int | None

    @property
    def trained(self) -> bool:
        """Whether the network is trained before it is used."""
        return self.loss != "none"

    def values(self) -> dict[str, str | int | None]:
        """Axis -> value, as reports and tables show it."""
        return dict(vars(self))

    @property
    def label(self) -> str:
        """A short name for people, in messages and logs."""
        parts = [self.dataset, self.backbone, self.weights, self.pooling, f"loss:{self.loss}"]
        crop = [f"crop:{self.crop}"] if self.crop not in (None, "box") else []
        parts += [f"{self.resolution}px", self.transform, *crop, f"{self.projection}:{self.dims}"]
        parts += [f"train:{self.train}"] if self.train not in (None, "own", "twins") else []
        parts += [self.recipe] if self.recipe is not None else []
        parts += [f"seed:{self.seed}"] if self.seed is not None else []
        return " ".join(parts)


@dataclass(frozen=True)
class Pruned:
    """A cell that makes no sense, and why."""

    reason: str


def resolve(cell: Mapping[str, str]) -> Job | Pruned:
    """Give every axis its value, or say why there can be no such job. Raises UsageError."""
    dataset = dataset_row(cell["dataset"])
    backbone = backbone_row(cell["backbone"])
    values = {**DEFAULTS, "pooling": backbone.pooling, **dataset.defaults, **cell}
    dims = backbone.width if values["dims"] == "native" else int(values["dims"])
    native = values["resolution"] == "native"
    resolution = backbone.input_size if native else int(values["resolution"])
    projection = values.get("projection", "none" if dims == backbone.width else "pca")
    trained, fitted = values["loss"] != "none", PROJECTIONS[projection].fitted
    random = trained or values["weights"] == "scratch"
    job = Job(
        dataset=dataset.name,
        train=values["train"] if trained or fitted else None,
        backbone=backbone.name,
        weights=values["weights"],
        pooling=values["pooling"],
        loss=values["loss"],
        recipe=values["recipe"] if trained else None,
        resolution=resolution,
        transform=values.get("transform", dataset.transform),
        crop=values.get("crop", "box") if dataset.has_boxes else None,
        dims=dims,
        projection=projection,
        seed=int(values["seed"]) if random else None,
    )
    reason = (
        _wrong_pooling(job, backbone)
        or _wrong_size(job, backbone)
        or _wrong_shape(job, backbone)
        or _wrong_dims(job, backbone)
        or _wrong_training(job, backbone, dataset)
    )
    return Pruned(reason) if reason else job


def _wrong_pooling(job: Job, backbone: Backbone) -> str | None:
    pooling = POOLINGS[job.pooling]
    missing = [token for token in pooling.needs if token not in backbone.prefix]
    if missing:
        return f"pooling={pooling.name}: {backbone.name} has no {missing[0].upper()} token"
    if pooling.learned and not job.trained:
        return f"pooling={pooling.name}: nothing learns it with loss=none"
    return None


def _wrong_size(job: Job, backbone: Backbone) -> str | None:
    if backbone.family == "vit" and job.resolution % backbone.stride:
        below = job.resolution // backbone.stride * backbone.stride
        sizes = f"{below} or {below + backbone.stride}" if below else str(backbone.stride)
        return (
            f"resolution={job.resolution}: {backbone.name}'s patches of {backbone.stride} "
            f"do not divide it; take {sizes}"
        )
    if job.resolution < backbone.stride:
        return (
            f"resolution={job.resolution}: below {backbone.name}'s total stride {backbone.stride}"
        )
    return None


def _wrong_shape(job: Job, backbone: Backbone) -> str | None:
    if TRANSFORMS[job.transform].keeps_aspect and not backbone.any_shape:
        return f"transform={job.transform}: {backbone.name} is built for squares of one size"
    return None


def _wrong_dims(job: Job, backbone: Backbone) -> str | None:
    projection = PROJECTIONS[job.projection]
    if projection.learned:
        return None if job.trained else "projection=linear: nothing trains a head with loss=none"
    if job.dims > backbone.width:
        return (
            f"dims={job.dims}: above {backbone.name}'s native width {backbone.width}; "
            "only a learned head goes there (projection=linear)"
        )
    if not projection.fitted and job.dims != backbone.width:
        return f"dims={job.dims}: projection=none keeps {backbone.name}'s width {backbone.width}"
    return _wrong_fit(job) if projection.fitted else None


def _wrong_fit(job: Job) -> str | None:
    """A projection is fitted on a training split, or, where a dataset has none, on itself."""
    source = training_row(job.train or "own", job.dataset)
    if not source.train_images and source.name != job.dataset:
        return f"train={job.train}: it has no training split to fit {job.projection} on"
    images = source.train_images or source.evaluated_images
    if images <= job.dims:
        return (
            f"dims={job.dims}: PCA needs more images than dimensions, and {source.name} has "
            f"{images} to fit it on"
        )
    return None


def _wrong_training(job: Job, backbone: Backbone, dataset: Dataset) -> str | None:
    if job.weights == "pretrained" and "." not in backbone.timm:
        return (
            f"weights=pretrained: timm hosts none for {backbone.name}; "
            "give weights=file:PATH, dir:PATH or scratch"
        )
    parse_weights(job.weights).file_for(backbone)
    if not job.trained or job.train is None:
        return None
    row, _ = parse_loss(job.loss)
    source = training_row(job.train, job.dataset)
    if not source.train_images:
        return (
            f"loss={row.name}: {source.name} has no training split; name one with train=, "
            f"or measure {dataset.name} off the shelf with loss=none"
        )
    return None
