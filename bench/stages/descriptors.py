"""Descriptors: pooled vectors -> unit vectors of the asked size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.identity import Descriptors, Fit
from bench.stages.context import Context
from bench.stages.features import PooledVectors, Vectors, ensure_features
from registry.errors import WorkError

DESCRIPTORS, MEAN, BASIS = "descriptors.npy", "mean.npy", "basis.npy"
Doubles = npt.NDArray[np.float64]


def ensure_descriptors(
    descriptors: Descriptors, poolings: Sequence[str], context: Context
) -> Vectors:
    """Project and normalise: (N, dims) float32."""
    if not context.artifacts.has(descriptors):
        pooled = ensure_features(descriptors.features, poolings, context)
        projected = _projected(pooled, descriptors, poolings, context)

        def write(folder: Path) -> None:
            np.save(folder / DESCRIPTORS, unit(projected))

        context.artifacts.publish(descriptors, write)
    made: Vectors = np.load(context.artifacts.path(descriptors) / DESCRIPTORS)
    return made


def _projected(
    pooled: PooledVectors,
    descriptors: Descriptors,
    poolings: Sequence[str],
    context: Context,
) -> Doubles:
    vectors = pooled.vectors.astype(np.float64)
    if descriptors.fit is None:
        return vectors
    mean, basis = ensure_fit(descriptors.fit, poolings, context)
    if basis.shape[1] < descriptors.dims:
        raise WorkError(
            f"PCA to {descriptors.dims} dims needs more independent training images than that; "
            f"those given span {basis.shape[1]}: ask for fewer dims, or fit on more images (train=)"
        )
    projected: Doubles = (vectors - mean) @ basis[:, : descriptors.dims]
    projected[pooled.bad] = 0.0
    return projected


def ensure_fit(fit: Fit, poolings: Sequence[str], context: Context) -> tuple[Doubles, Doubles]:
    """Fit principal components on the training split: (C,) mean, (C, rank) basis."""
    if not context.artifacts.has(fit):
        mean, basis = principal_components(ensure_features(fit.features, poolings, context).good)

        def write(folder: Path) -> None:
            np.save(folder / MEAN, mean)
            np.save(folder / BASIS, basis)

        context.artifacts.publish(fit, write)
    folder = context.artifacts.path(fit)
    return np.load(folder / MEAN), np.load(folder / BASIS)


def principal_components(vectors: Vectors) -> tuple[Doubles, Doubles]:
    """Mean and principal directions, the largest variance first, in float64.

    (N, C) -> (C,), (C, rank); rank is at most N - 1. Not whitened. A direction's sign is arbitrary:
    its largest entry is made positive, so that equal features give equal bases.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors.astype(np.float64) - mean
    variances, directions = np.linalg.eigh(centred.T @ centred)  # smallest first
    rank = min(len(vectors) - 1, int(np.sum(variances > variances[-1] * 1e-12)))
    basis = directions[:, ::-1][:, : max(rank, 0)]
    largest = np.take_along_axis(basis, np.abs(basis).argmax(axis=0)[None], axis=0)
    return mean, basis * np.where(largest < 0, -1.0, 1.0)


def unit(vectors: Doubles) -> Vectors:
    """L2-normalise rows, in float64, and round to float32; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms == 0, 1.0, norms)).astype(np.float32)
