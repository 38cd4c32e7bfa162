"""Features: one pass of a model over a dataset's images yields every pooling at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.execution.artifacts import read_json, write_json
from bench.identity import Extraction, Features
from bench.images import batches
from bench.inference import for_inference
from bench.micro_batch import MicroBatch
from bench.model import Embedder
from bench.sources import evaluation_source
from bench.stages.context import Context
from bench.stages.weights import load_embedder
from registry.datasets import source_row
from registry.datasets.split import Positions
from registry.errors import WorkError
from registry.transforms import TRANSFORMS, Pixels

Vectors = npt.NDArray[np.float32]
VECTORS, BAD = "vectors.npy", "bad_images.json"
PIXELS_PER_BATCH = 400_000
FIX = "use a lower resolution, a smaller backbone, or another --device"
"""Where memory is too small for one image."""


@dataclass(frozen=True)
class PooledVectors:
    """(N, C) float32 vectors in the order of the dataset's lists; rows of bad images are 0."""

    vectors: Vectors
    bad: Positions

    @property
    def good(self) -> Vectors:
        """The rows of images that could be decoded."""
        return np.delete(self.vectors, self.bad, axis=0)


def extract_features(extraction: Extraction, poolings: Sequence[str], context: Context) -> None:
    """Extract all of these poolings that are missing, in one pass."""
    missing = [
        pooling for pooling in poolings if not context.artifacts.has(Features(extraction, pooling))
    ]
    if missing:
        _extract(extraction, missing, context)


def load_features(features: Features, context: Context) -> PooledVectors:
    """Return pooled vectors, read from the disk as needed. Raises DamagedError."""
    folder = context.artifacts.open(features)
    bad = sorted(int(position) for position in read_json(folder / BAD))
    return PooledVectors(load_rows(folder / VECTORS), np.array(bad, dtype=np.int64))


def load_rows(path: Path) -> Vectors:
    """Map a file of vectors into memory; what is written to them stays there."""
    rows: Vectors = np.load(path, mmap_mode="c")
    return rows


def bad_images(features: Features, context: Context) -> dict[int, str]:
    """Position -> what was wrong with it, for images left out of an extraction."""
    content = read_json(context.artifacts.open(features) / BAD)
    return {int(position): reason for position, reason in content.items()}


def _extract(extraction: Extraction, poolings: Sequence[str], context: Context) -> None:
    source = evaluation_source(extraction, context)
    images = source.images
    embedder = for_inference(
        load_embedder(
            extraction.model,
            poolings,
            context,
            any_shape=TRANSFORMS[extraction.transform].keeps_aspect,
            resolution=extraction.resolution,
        ),
        context.device,
    )
    row = source_row(extraction.dataset)
    resolution = extraction.resolution
    size = max(8, min(128, PIXELS_PER_BATCH // resolution**2))
    found: dict[str, Vectors] = {}
    bad: dict[int, str] = {}
    name = f"extracting {extraction.model.backbone} on {row.title}"
    about = f"{name}, at {resolution} pixels"
    micro = MicroBatch(size, context.device, about, context.record, FIX)
    with (
        torch.inference_mode(),
        context.progress.step(name, len(images), "images") as advance,
    ):
        for batch in batches(source, size=size, skip_bad=extraction.skip_bad_images):
            bad |= batch.bad
            if batch.positions:
                for pooling, rows in _embed(batch.pixels, embedder, micro).items():
                    empty = (len(images), rows.shape[1])
                    found.setdefault(pooling, np.zeros(empty, np.float32))[batch.positions] = rows
            advance(len(batch.positions) + len(batch.bad))
    if not found:
        raise WorkError(f"{row.title}: none of its {len(images)} images can be read")
    for pooling, vectors in found.items():
        _publish(Features(extraction, pooling), vectors, bad, context)


def _embed(images: Pixels, embedder: Embedder, micro: MicroBatch) -> dict[str, Vectors]:
    """Embed (B, h, w, 3) images: pooling -> (B, C), of as many at once as memory holds."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)

    def attempt(size: int) -> dict[str, Vectors]:
        pieces = torch.split(pixels, size)
        parts = [_on_cpu(embedder(piece.to(micro.device))) for piece in pieces]
        return {pooling: np.concatenate([part[pooling] for part in parts]) for pooling in parts[0]}

    return micro.fit(len(pixels), attempt)


def _on_cpu(vectors: dict[str, Tensor]) -> dict[str, Vectors]:
    return {pooling: found.float().cpu().numpy() for pooling, found in vectors.items()}


def _publish(features: Features, vectors: Vectors, bad: dict[int, str], context: Context) -> None:
    if not np.isfinite(vectors).all():
        raise WorkError(
            f"{features.extraction.model.backbone} gives features that are no numbers: "
            "are these its weights, and did its training end well?"
        )

    def write(folder: Path) -> None:
        np.save(folder / VECTORS, vectors)
        write_json(folder / BAD, {str(position): reason for position, reason in bad.items()})

    context.publish(features, write)
