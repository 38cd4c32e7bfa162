"""Unofficial splits: other queries and galleries of the same images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.delta.inputs import Inputs, Missing, as_stored, projected
from bench.delta.similarities import Floats, Positions, Stack
from bench.delta.stored import Stored
from bench.identity import Features
from bench.job import Job, Pruned, resolve
from bench.stages.descriptors import BASIS, MEAN, unit
from bench.stages.features import VECTORS
from registry.datasets.split import Images, Split

ONLY_PCA = "only a PCA fitted on them (projection=pca train=own) makes some, not with this network"


def halves(stored: Stored) -> Inputs | None:
    """Every other image of each class asks, the others are asked; of leave-one-out splits."""
    ours = as_stored(stored)
    split = ours.split
    if not np.array_equal(split.queries, split.gallery):
        return None
    asks = alternating(split.evaluated.labels[split.gallery])
    halved = replace(split, queries=split.gallery[asks], gallery=split.gallery[~asks])
    return Inputs(halved, ours.vectors)


def alternating(labels: Positions) -> np.typing.NDArray[np.bool_]:
    """Whether an image is the first, third, fifth ... of its class."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    place = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    flags = np.empty(len(labels), dtype=bool)
    flags[order] = place % 2 == 0
    return flags


def train_in_gallery(stored: Stored) -> Inputs | Missing | None:
    """Descriptors of the training images after those of the evaluated ones."""
    train = stored.split.train
    if train is None:
        return None
    features = _training_features(stored)
    if not stored.artifacts.has(features):
        return Missing(_how_to_make(stored))
    if stored.report["counts"]["bad_images"] or stored.report["counts"]["bad_training_images"]:
        return Missing("images were left out of this report")
    more = _described(stored, features)
    ours = as_stored(stored)
    split = joined(ours.split, train)
    return Inputs(split, Stack([*ours.vectors.parts, more]))


def _training_features(stored: Stored) -> Features:
    """The same network's features of the dataset's own training images."""
    features = stored.scores.descriptors.features
    return replace(features, extraction=replace(features.extraction, part="train"))


def _described(stored: Stored, features: Features) -> Floats:
    fit = stored.scores.descriptors.fit
    if fit is None:
        return unit(stored.load(features, VECTORS).astype(np.float64))
    mean, basis = (stored.load(fit, name).astype(np.float64) for name in (MEAN, BASIS))
    return projected(stored, features, mean, basis[:, : stored.scores.descriptors.dims])


def joined(split: Split, train: Images) -> Split:
    """Append training images to the gallery; classes are matched by name."""
    mine = split.evaluated
    numbers = {name: number for number, name in enumerate(mine.classes)}
    labels = [numbers.setdefault(train.classes[label], len(numbers)) for label in train.labels]
    everything = replace(
        mine,
        paths=mine.paths + train.paths,
        labels=np.concatenate([mine.labels, np.array(labels, dtype=np.int64)]),
        classes=tuple(numbers),
    )
    places = len(mine) + np.arange(len(train), dtype=np.int64)
    return replace(split, evaluated=everything, gallery=np.concatenate([split.gallery, places]))


def _how_to_make(stored: Stored) -> str:
    """A projection fitted on the training images leaves their features behind."""
    job = stored.job
    able = _fitted_on_own(job)
    if able is None:
        return f"the training images have no features in the run folder: {ONLY_PCA}"
    return f"features of the training images come with {stored.run_line(able)}"


def _fitted_on_own(job: Job) -> Job | None:
    """The job whose PCA is fitted on its dataset's own training images, if the network allows."""
    if (job.trained and job.train not in ("own", job.dataset)) or job.projection == "linear":
        return None
    train = job.train if job.trained else "own"
    for dims in (job.dims, job.dims // 2, 8):
        wanted = {**job.values(), "projection": "pca", "train": train, "dims": dims}
        cell = {axis: str(value) for axis, value in wanted.items() if value is not None}
        found = resolve(cell)
        if not isinstance(found, Pruned):
            return found
    return None
