"""Scoring: a split and its descriptors -> every metric of the dataset, query by query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.metrics.average_precision import (
    average_precision_at_r,
    average_precision_trapezoid,
    precision_at_k_revisited,
)
from bench.metrics.recall import recall_at_k
from bench.metrics.ties import Counts, Floats, Ranking, rankings
from bench.neighbours import nearest
from registry.datasets import Dataset
from registry.datasets.split import Graded, Split
from registry.errors import WorkError

Advance = Callable[[int], None]
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


def score(
    row: Dataset, split: Split, vectors: Floats, advance: Advance
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Compute a dataset's metrics for every query: a row each, a column per metric."""
    place = np.full(len(split.evaluated), -1, dtype=np.int64)
    place[split.gallery] = np.arange(len(split.gallery))
    evaluation = Evaluation(split, place)
    measure = _recalls if row.measure == "recall" else _revisited
    return measure(row, evaluation, vectors, advance)


def _recalls(
    row: Dataset, evaluation: Evaluation, vectors: Floats, advance: Advance
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
    row: Dataset, evaluation: Evaluation, vectors: Floats, advance: Advance
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
    table: pd.DataFrame, vectors: Floats, split: Split, excluded: Sequence[Counts]
) -> None:
    queries = vectors[table["query_position"].to_numpy()]
    found, values = nearest(queries, vectors[split.gallery], excluded, NEIGHBOURS)
    table["nearest"] = [split.gallery[row[row >= 0]].tolist() for row in found]
    table["nearest_similarity"] = [row[~np.isnan(row)].tolist() for row in values]
