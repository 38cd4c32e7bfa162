"""Inputs: the split and the descriptors that a convention scores, as far as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.card import transductive
from bench.delta.similarities import Doubles, Floats, Stack
from bench.delta.stored import Stored
from bench.identity import Features
from bench.stages.descriptors import principal_components, unit
from bench.stages.features import VECTORS
from registry.datasets.split import Split
from registry.errors import WorkError

ROWS = 65_536
"""Features projected at once."""


@dataclass(frozen=True)
class Inputs:
    """What is scored: a split, and the descriptors of its evaluated images in their order."""

    split: Split
    vectors: Stack


@dataclass(frozen=True)
class Missing:
    """Why a convention cannot be shown, and what would make it possible."""

    why: str


def as_stored(stored: Stored) -> Inputs:
    """The report's own; raises WorkError where they are gone."""
    vectors = stored.vectors(stored.scores)
    if vectors is None:
        raise WorkError(
            f"the descriptors of {stored.job.label} are gone from {stored.runs}; make them again: "
            f"{stored.run_line(stored.job, again=True)}"
        )
    if len(vectors) != len(stored.split.evaluated):
        raise WorkError(
            f"{stored.job.label}: {len(vectors)} descriptors for {len(stored.split.evaluated)} "
            f"images; make them again: {stored.run_line(stored.job, again=True)}"
        )
    return Inputs(stored.split, vectors)


def uncropped(stored: Stored) -> Inputs | Missing | None:
    """Descriptors of the same job with crop=none."""
    return _with_crop(stored, "none") if stored.job.crop == "box" else None


def cropped(stored: Stored) -> Inputs | Missing | None:
    """Descriptors of the same job with crop=box."""
    return _with_crop(stored, "box") if stored.job.crop == "none" else None


def _with_crop(stored: Stored, crop: str) -> Inputs | Missing:
    job, scores = stored.scores_cropped(crop)
    vectors = stored.vectors(scores)
    if vectors is None:
        return Missing(f"make their descriptors with {stored.run_line(job)}")
    return Inputs(stored.split, vectors)


def fitted_on_evaluated(stored: Stored) -> Inputs | Missing | None:
    """The stored features, projected by their own principal components."""
    descriptors = stored.scores.descriptors
    if descriptors.fit is None or transductive(stored.scores):
        return None
    parts = [part.features for part in stored.scores.parts()]
    if not all(stored.artifacts.has(features) for features in parts):
        return Missing(
            f"the features are gone; make them with {stored.run_line(stored.job, again=True)}"
        )
    features = stored.load(parts[0], VECTORS)
    mean, basis = principal_components(np.delete(features, stored.bad_of(parts[0]), axis=0))
    if basis.shape[1] < descriptors.dims:
        return Missing(
            f"the evaluated images span {basis.shape[1]} dims, fewer than {descriptors.dims}"
        )
    basis = basis[:, : descriptors.dims]
    return Inputs(stored.split, Stack([projected(stored, part, mean, basis) for part in parts]))


def projected(stored: Stored, features: Features, mean: Doubles, basis: Doubles) -> Floats:
    """Project stored features and normalise: (N, dims). Unreadable images are in no gallery."""
    vectors = stored.load(features, VECTORS)
    blocks = [
        unit((vectors[first : first + ROWS].astype(np.float64) - mean) @ basis)
        for first in range(0, len(vectors), ROWS)
    ]
    return np.concatenate(blocks)
