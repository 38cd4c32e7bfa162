"""Scores: descriptors -> every metric of the dataset, per query and in the mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.execution.artifacts import read_json, write_json
from bench.identity import Scores
from bench.scoring import score
from bench.stages.context import Context
from bench.stages.descriptors import ensure_descriptors
from bench.stages.features import Vectors, bad_images
from registry.datasets import dataset_row
from registry.datasets.split import Split
from registry.errors import WorkError

METRICS, PER_QUERY = "metrics.json", "per_query.parquet"


def ensure_scores(scores: Scores, poolings: Sequence[str], context: Context) -> Path:
    """Score the descriptors; return the artifact's folder, with metrics.json and per_query.parquet.

    metrics.json: metrics as fractions, and the counts they rest on.
    """
    if context.artifacts.has(scores):
        return context.artifacts.path(scores)
    split, vectors, bad = _measured(scores, poolings, context)
    row = dataset_row(scores.dataset)
    with context.progress.step(f"scoring {row.title}", len(split.queries), "queries") as advance:
        table, counts = score(row, split, vectors, advance)
    images = split.evaluated
    table.insert(0, "query", [images.paths[position] for position in table["query_position"]])
    table["nearest"] = [[images.paths[p] for p in found] for found in table["nearest"]]
    metrics = {
        name: float(value)
        for name, value in table.drop(columns=["query_position"]).mean(numeric_only=True).items()
    }
    counts |= {
        "gallery": len(split.gallery),
        "bad_images": bad,
        "dims": int(vectors.shape[1]),
    }

    def write(folder: Path) -> None:
        table.to_parquet(folder / PER_QUERY, index=False)
        write_json(folder / METRICS, {"metrics": metrics, "counts": counts})

    return context.artifacts.publish(scores, write)


def _measured(
    scores: Scores, poolings: Sequence[str], context: Context
) -> tuple[Split, Vectors, int]:
    """Return the split, distractors in its gallery, its descriptors, and how many are left out."""
    vectors = ensure_descriptors(scores.descriptors, poolings, context)
    split = context.split(scores.dataset)
    bad = list(bad_images(scores.descriptors.features, context))
    if scores.distractors is not None:
        extraction = scores.distractors.features.extraction
        more = ensure_descriptors(scores.distractors, poolings, context)
        bad += [
            len(vectors) + position for position in bad_images(scores.distractors.features, context)
        ]
        split = split.with_distractors(context.split(extraction.dataset).evaluated)
        vectors = np.concatenate([vectors, more])
    if len(vectors) != len(split.evaluated):
        raise WorkError(
            f"{scores.dataset}: {len(vectors)} descriptors for {len(split.evaluated)} images; "
            "this is a defect: please report it"
        )
    return split.without(np.array(sorted(bad), dtype=np.int64)), vectors, len(bad)


def read_metrics(folder: Path) -> tuple[dict[str, float], dict[str, int]]:
    """Read a scores artifact: metrics as fractions, and counts."""
    content = read_json(folder / METRICS)
    return content["metrics"], content["counts"]
