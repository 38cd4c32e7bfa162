"""Scores: descriptors -> every metric of the dataset, per query and in the mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.execution.artifacts import read_json, write_json
from bench.identity import Scores
from bench.scoring import score
from bench.stages.context import Context
from bench.stages.descriptors import load_descriptors
from bench.stages.features import Vectors, bad_images
from registry.datasets import dataset_row
from registry.datasets.split import Split

METRICS, PER_QUERY = "metrics.json", "per_query.parquet"


def score_descriptors(scores: Scores, context: Context) -> None:
    """Score the descriptors into metrics.json and per_query.parquet.

    metrics.json: metrics as fractions, the counts they rest on, and the bounds that ties leave.
    """
    split, parts, bad = _measured(scores, context)
    row = dataset_row(scores.dataset)
    with context.progress.step(f"scoring {row.title}", len(split.queries), "queries") as advance:
        scored = score(row, split, parts, device=context.device, advance=advance)
    images, table = split.evaluated, scored.table
    table.insert(0, "query", [images.paths[position] for position in table["query_position"]])
    table["nearest"] = [[images.paths[p] for p in found] for found in table["nearest"]]
    metrics = {
        name: float(value)
        for name, value in table.drop(columns=["query_position"]).mean(numeric_only=True).items()
    }
    counts = {
        **scored.counts,
        "gallery": len(split.gallery),
        "bad_images": bad,
        "dims": int(parts[0].shape[1]),
    }
    content = {"metrics": metrics, "counts": counts, "bounds": scored.bounds}

    def write(folder: Path) -> None:
        table.to_parquet(folder / PER_QUERY, index=False)
        write_json(folder / METRICS, content)

    context.publish(scores, write)


def _measured(scores: Scores, context: Context) -> tuple[Split, list[Vectors], int]:
    """Return the split, distractors in its gallery, its descriptors, and how many are left out."""
    parts = [load_descriptors(scores.descriptors, context)]
    split = context.split(scores.dataset)
    bad = list(bad_images(scores.descriptors.features, context))
    if scores.distractors is not None:
        extraction = scores.distractors.features.extraction
        more = bad_images(scores.distractors.features, context)
        bad += [len(parts[0]) + position for position in more]
        parts.append(load_descriptors(scores.distractors, context))
        split = split.with_distractors(context.split(extraction.dataset).evaluated)
    return split.without(np.array(sorted(bad), dtype=np.int64)), parts, len(bad)


@dataclass(frozen=True)
class Metrics:
    """What a scores artifact says."""

    metrics: dict[str, float]
    """Fractions."""
    counts: dict[str, int]
    bounds: dict[str, list[float]]
    """Lowest and highest value that a metric can take by the order of ties."""


def read_metrics(folder: Path) -> Metrics:
    """Read a scores artifact."""
    return Metrics(**read_json(folder / METRICS))
