"""Job: one cell with a value for every axis, resolved to everything its numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from registry.axes import FIELD
from registry.backbones import Backbone
from registry.datasets import Dataset, dataset_row, training_row
from registry.poolings import POOLINGS
from registry.projections import PROJECTIONS
from registry.recipes import FIELDS, field_text, parse_recipe, with_fields
from registry.timm_models import backbone_row
from registry.transforms import TRANSFORMS
from registry.weights import parse_weights

DEFAULTS = {
    "train": "own",
    "weights": "pretrained",
    "loss": "none",
    "recipe": "field-default",
    "resolution": "native",
    "test_resolution": "same",
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
    test_resolution: int | None
    transform: str
    crop: str | None
    dims: int
    projection: str
    seed: int | None

    @property
    def trained(self) -> bool:
        """Whether the network is trained before it is used."""
        return self.loss != "none"

    @property
    def evaluated_at(self) -> int:
        """Pixels a side of evaluated images."""
        return self.test_resolution or self.resolution

    def values(self) -> dict[str, str | int | None]:
        """Axis -> value, as reports and tables show it."""
        return dict(vars(self))

    def matched(self) -> dict[str, str | int | None]:
        """Axis -> value, the recipe's fields among them: what rules can ask for."""
        if self.recipe is None:
            return self.values()
        recipe = parse_recipe(self.recipe)
        return {**self.values(), **{FIELD + name: field_text(recipe, name) for name in FIELDS}}

    @property
    def label(self) -> str:
        """A short name for people, in messages and logs."""
        parts = [self.dataset, self.backbone, self.weights, self.pooling, f"loss:{self.loss}"]
        crop = [f"crop:{self.crop}"] if self.crop not in (None, "box") else []
        at = f"/{self.test_resolution}" if self.test_resolution else ""
        size = f"{self.projection}:{self.dims}"
        parts += [f"{self.resolution}{at}px", self.transform, *crop, size]
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
    values = {**DEFAULTS, "pooling": backbone.pooling, **dataset.defaults, **_axes(cell)}
    dims = backbone.width if values["dims"] == "native" else int(values["dims"])
    native = values["resolution"] == "native"
    resolution = backbone.input_size if native else int(values["resolution"])
    same = values["test_resolution"] == "same"
    evaluated_at = resolution if same else int(values["test_resolution"])
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
        recipe=with_fields(values["recipe"], _recipe_fields(cell)) if trained else None,
        resolution=resolution if trained else evaluated_at,
        test_resolution=evaluated_at if trained and evaluated_at != resolution else None,
        transform=values.get("transform", dataset.transform),
        crop=values.get("crop", "box") if dataset.has_boxes else None,
        dims=dims,
        projection=projection,
        seed=int(values["seed"]) if random else None,
    )
    reason = (
        _wrong_pooling(job, backbone)
        or _wrong_size("resolution" if same else "test_resolution", evaluated_at, backbone)
        or _wrong_size("resolution", job.resolution, backbone)
        or _wrong_shape(job, backbone)
        or _wrong_dims(job, backbone)
        or _wrong_training(job, backbone, dataset)
    )
    return Pruned(reason) if reason else job


def _axes(cell: Mapping[str, str]) -> dict[str, str]:
    return {axis: value for axis, value in cell.items() if not axis.startswith(FIELD)}


def _recipe_fields(cell: Mapping[str, str]) -> dict[str, str]:
    return {
        axis.removeprefix(FIELD): value for axis, value in cell.items() if axis.startswith(FIELD)
    }


def _wrong_pooling(job: Job, backbone: Backbone) -> str | None:
    pooling = POOLINGS[job.pooling]
    missing = [token for token in pooling.needs if token not in backbone.prefix]
    if missing:
        return f"pooling={pooling.name}: {backbone.name} has no {missing[0].upper()} token"
    if pooling.learned and not job.trained:
        return f"pooling={pooling.name}: nothing learns it with loss=none"
    return None


def _wrong_size(axis: str, resolution: int, backbone: Backbone) -> str | None:
    if backbone.family == "vit" and resolution % backbone.stride:
        below = resolution // backbone.stride * backbone.stride
        sizes = f"{below} or {below + backbone.stride}" if below else str(backbone.stride)
        return (
            f"{axis}={resolution}: {backbone.name}'s patches of {backbone.stride} "
            f"do not divide it; take {sizes}"
        )
    if resolution < backbone.stride:
        return f"{axis}={resolution}: below {backbone.name}'s total stride {backbone.stride}"
    return None


def _wrong_shape(job: Job, backbone: Backbone) -> str | None:
    if TRANSFORMS[job.transform].keeps_aspect and not backbone.any_shape:
        return f"transform={job.transform}: {backbone.name} is built for squares of one size"
    return None


def _wrong_dims(job: Job, backbone: Backbone) -> str | None:
    projection = PROJECTIONS[job.projection]
    if projection.learned and not job.trained:
        return f"projection={projection.name}: nothing trains it with loss=none"
    if projection.learned and not projection.nested:
        return None
    if job.dims > backbone.width:
        return (
            f"dims={job.dims}: above {backbone.name}'s native width {backbone.width}; "
            "only a learned head goes there (projection=linear)"
        )
    if projection.nested:
        return None
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
    source = training_row(job.train, job.dataset)
    if not source.train_images:
        return (
            f"loss={job.loss}: {source.name} has no training split; name one with train=, "
            f"or measure {dataset.name} off the shelf with loss=none"
        )
    return _wrong_selection(job, dataset)


def _wrong_selection(job: Job, dataset: Dataset) -> str | None:
    selection = parse_recipe(job.recipe or "").selection
    if selection == "test" and dataset.measure != "recall":
        return f"select=test: a checkpoint is selected by R@1, which {dataset.name} has not"
    return None
