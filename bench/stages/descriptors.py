"""Descriptors: pooled vectors -> unit vectors of the asked size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.exact.grid import on_grid
from bench.identity import Descriptors, Fit
from bench.stages.context import Context
from bench.stages.features import PooledVectors, Vectors, load_features, load_rows
from registry.errors import WorkError

DESCRIPTORS, MEAN, BASIS = "descriptors.npy", "mean.npy", "basis.npy"
ROWS_AT_ONCE = 1 << 14
Doubles = npt.NDArray[np.float64]


def project_features(descriptors: Descriptors, context: Context) -> None:
    """Project or cut, normalise and round to the grid."""
    pooled = load_features(descriptors.features, context)
    projection = _projection(descriptors, context)

    def write(folder: Path) -> None:
        _write_rows(folder / DESCRIPTORS, pooled, projection, descriptors.dims)

    context.publish(descriptors, write)


def load_descriptors(descriptors: Descriptors, context: Context) -> Vectors:
    """(N, dims) float32 on the grid, read from the disk as needed. Raises DamagedError."""
    return load_rows(context.artifacts.open(descriptors) / DESCRIPTORS)


Projection = tuple[Doubles, Doubles] | None
"""(C,) mean and (C, dims) basis; None keeps the first numbers of the features."""


def _projection(descriptors: Descriptors, context: Context) -> Projection:
    if descriptors.fit is None:
        return None
    folder = context.artifacts.open(descriptors.fit)
    mean, basis = np.load(folder / MEAN), np.load(folder / BASIS)
    if basis.shape[1] < descriptors.dims:
        raise WorkError(
            f"PCA to {descriptors.dims} dims needs more independent training images than that; "
            f"those given span {basis.shape[1]}: ask for fewer dims, or fit on more images (train=)"
        )
    return mean, basis[:, : descriptors.dims]


def _write_rows(path: Path, pooled: PooledVectors, projection: Projection, dims: int) -> None:
    """Write descriptors block by block: a million distractors need not fit into memory."""
    n, width = pooled.vectors.shape
    shape = (n, dims if projection else min(dims, width))
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:  # not a memory map: a full disk would end the process
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n, ROWS_AT_ONCE):
            block = pooled.vectors[start : start + ROWS_AT_ONCE].astype(np.float64)
            if projection:
                block = (block - projection[0]) @ projection[1]
            rows = unit(block[:, :dims])
            bad = pooled.bad[(pooled.bad >= start) & (pooled.bad < start + len(rows))]
            rows[bad - start] = 0.0
            file.write(rows.astype("<f4").tobytes())


def fit_projection(fit: Fit, context: Context) -> None:
    """Fit principal components on the training split: (C,) mean, (C, rank) basis."""
    mean, basis = principal_components(load_features(fit.features, context).good)

    def write(folder: Path) -> None:
        np.save(folder / MEAN, mean)
        np.save(folder / BASIS, basis)

    context.publish(fit, write)


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
    """L2-normalise rows in float64, round to the grid of exact scoring; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return on_grid(vectors / np.where(norms == 0, 1.0, norms))
