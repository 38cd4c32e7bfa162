"""Scores: descriptors -> every metric of the dataset, per query and in the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.execution.artifacts import read_json, write_json
from bench.identity import Scores
from bench.metrics.average_precision import (
    average_precision_at_r,
    average_precision_trapezoid,
    precision_at_k_revisited,
)
from bench.metrics.recall import recall_at_k
from bench.metrics.ties import Counts, Ranking, rankings
from bench.neighbours import nearest
from bench.progress import Advance
from bench.stages.context import Context
from bench.stages.descriptors import ensure_descriptors
from bench.stages.features import Vectors, bad_images
from registry.datasets import Dataset, dataset_row
from registry.datasets.split import Graded, Split
from registry.errors import WorkError

METRICS, PER_QUERY = "metrics.json", "per_query.parquet"
NEIGHBOURS = 10
PRECISION_KS = (1, 5, 10)
SETUPS = ("easy", "medium", "hard")


@dataclass(frozen=True)
class Evaluation:
    """A split, and where in its gallery each evaluated image is."""

    split: Split
    gallery_place: Counts
    """(N,) place of an evaluated image in the gallery, -1 where it is not in it."""

    def places(self, images: Counts) -> Counts:
        """Places in the gallery of evaluated images, those not in it left out."""
        places = self.gallery_place[images]
        found: Counts = places[places >= 0]
        return found


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
    return split.without(np.array(sorted(bad), dtype=np.int64)), vectors, len(bad)


def read_metrics(folder: Path) -> tuple[dict[str, float], dict[str, int]]:
    """Read a scores artifact: metrics as fractions, and counts."""
    content = read_json(folder / METRICS)
    return content["metrics"], content["counts"]


def score(
    row: Dataset, split: Split, vectors: Vectors, advance: Advance
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Compute a dataset's metrics for every query: a row each, a column per metric."""
    place = np.full(len(split.evaluated), -1, dtype=np.int64)
    place[split.gallery] = np.arange(len(split.gallery))
    evaluation = Evaluation(split, place)
    measure = _recalls if row.measure == "recall" else _revisited
    return measure(row, evaluation, vectors, advance)


def _recalls(
    row: Dataset, evaluation: Evaluation, vectors: Vectors, advance: Advance
) -> tuple[pd.DataFrame, dict[str, int]]:
    """R@K and MAP@R over classes. A query alone in its class is none: it stays in the gallery."""
    split, labels = evaluation.split, evaluation.split.evaluated.labels
    gallery_labels = labels[split.gallery]
    members = {label: np.flatnonzero(gallery_labels == label) for label in np.unique(labels)}
    own = [evaluation.places(split.queries[i : i + 1]) for i in range(len(split.queries))]
    has_company = np.array(
        [
            len(members[labels[query]]) > len(self_place)
            for query, self_place in zip(split.queries, own, strict=True)
        ],
        dtype=bool,
    )
    queries = split.queries[has_company]
    if not len(queries):
        raise WorkError(
            f"{row.title}: no class has two images, so no query has anything to find; "
            "put at least two images of some classes into their folders"
        )
    excluded = [places for places, keep in zip(own, has_company, strict=True) if keep]

    def judged(index: int) -> tuple[Counts, Counts]:
        return members[labels[queries[index]]], excluded[index]

    found = rankings(vectors[queries], vectors[split.gallery], judged, advance)
    records = [_recall_record(ranking, row.ks) for ranking in found]
    table = pd.DataFrame.from_records(records)
    table.insert(0, "query_position", queries)
    _add_neighbours(table, vectors, split, excluded)
    counts = {
        "queries": len(queries),
        "lone_images": int((~has_company).sum()),
        "tied_queries": int(table["tied"].sum()),
    }
    return table.drop(columns=["tied"]), counts


def _recall_record(ranking: Ranking, ks: Sequence[int]) -> Mapping[str, float | bool]:
    return {
        **{f"r@{k}": recall_at_k(ranking, k) for k in ks},
        "map@r": average_precision_at_r(ranking),
        "tied": ranking.tied,
    }


def _revisited(
    row: Dataset, evaluation: Evaluation, vectors: Vectors, advance: Advance
) -> tuple[pd.DataFrame, dict[str, int]]:
    """mAP and mP@k Easy, Medium, Hard; a query with nothing to find in a setup is not counted."""
    split = evaluation.split
    graded = split.graded
    assert graded is not None
    columns: dict[str, list[float]] = {}
    tied = np.zeros(len(split.queries), dtype=bool)
    for setup in SETUPS:

        def judged(index: int, setup: str = setup) -> tuple[Counts, Counts]:
            wanted, ignored = _setup(graded[int(split.queries[index])], setup)
            return evaluation.places(wanted), evaluation.places(ignored)

        tick = advance if setup == SETUPS[-1] else lambda n: None
        found = rankings(vectors[split.queries], vectors[split.gallery], judged, tick)
        for index, ranking in enumerate(found):
            tied[index] |= ranking.tied
            ap = average_precision_trapezoid(ranking)
            columns.setdefault(f"map_{setup}", []).append(ap)
            for k in PRECISION_KS:
                name = f"mp@{k}_{setup}"
                columns.setdefault(name, []).append(precision_at_k_revisited(ranking, k))
    table = pd.DataFrame(columns)
    counts = {f"queries_{setup}": int(table[f"map_{setup}"].count()) for setup in SETUPS}
    table.insert(0, "query_position", split.queries)
    junk = [evaluation.places(graded[int(query)].junk) for query in split.queries]
    _add_neighbours(table, vectors, split, junk)
    return table, {"queries": len(table), "tied_queries": int(tied.sum()), **counts}


def _setup(truth: Graded, setup: str) -> tuple[Counts, Counts]:
    """Return the relevant and the ignored images of a setup (revisitop, example_evaluate.py)."""
    match setup:
        case "easy":
            return truth.easy, np.concatenate([truth.junk, truth.hard])
        case "medium":
            return np.concatenate([truth.easy, truth.hard]), truth.junk
        case _:
            return truth.hard, np.concatenate([truth.junk, truth.easy])


def _add_neighbours(
    table: pd.DataFrame, vectors: Vectors, split: Split, excluded: Sequence[Counts]
) -> None:
    queries = vectors[table["query_position"].to_numpy()]
    found, values = nearest(queries, vectors[split.gallery], excluded, NEIGHBOURS)
    table["nearest"] = [split.gallery[row[row >= 0]].tolist() for row in found]
    table["nearest_similarity"] = [row[~np.isnan(row)].tolist() for row in values]
