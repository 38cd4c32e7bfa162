"""Scoring: a split and its descriptors -> every metric of the dataset, query by query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from bench.exact.classes import rankings
from bench.exact.grid import Floats, check_form
from bench.exact.judged import Judgement, judged_rankings, rows_at
from bench.exact.mates import Positions, Side, mates_of_each
from bench.exact.walk import Advance, Walk
from bench.metrics.average_precision import (
    average_precision,
    average_precision_at_r,
    average_precision_trapezoid,
    r_precision,
)
from bench.metrics.rankings import Doubles, FirstHits, Rankings
from bench.metrics.recall import (
    optimistic_recall_at_k,
    pessimistic_recall_at_k,
    recall_at_k,
    reciprocal_rank,
)
from bench.metrics.revisited import precision_at_k_revisited
from bench.neighbours import nearest
from registry.datasets import Dataset
from registry.datasets.split import Graded, Split
from registry.errors import WorkError

NEIGHBOURS = 10
PRECISION_KS = (1, 5, 10)
SETUPS = ("easy", "medium", "hard")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Scored:
    """What a dataset's metrics are, and what they rest on."""

    table: pd.DataFrame
    """A row per query, a column per metric; NaN where a query has nothing to find."""
    counts: dict[str, int]
    bounds: dict[str, tuple[float, float]]
    """Metric -> its mean with every tie broken against, and for, the network."""


@dataclass(frozen=True)
class Measured:
    """A split with descriptors of its evaluated images, in one or more parts."""

    split: Split
    parts: Sequence[Floats]
    gallery_place: Positions
    """(N,) place of an evaluated image in the gallery, -1 where it is not in it."""

    def places(self, images: Positions) -> Positions:
        """Places in the gallery of evaluated images, those not in it left out."""
        places = self.gallery_place[images]
        found: Positions = places[places >= 0]
        return found

    def own_places(self, queries: Positions) -> list[Positions]:
        """The place of each query in the gallery, if it has one."""
        return [self.places(queries[i : i + 1]) for i in range(len(queries))]

    def vectors(self, images: Positions) -> Floats:
        """Descriptors of evaluated images."""
        return rows_at(self.parts, images)

    def gallery(self) -> list[Floats]:
        """Descriptors of the gallery, part by part; a part that is all in it is not copied."""
        starts = np.cumsum([0, *map(len, self.parts)])
        found = []
        for part, start, end in zip(self.parts, starts, starts[1:], strict=False):
            inside = (self.split.gallery >= start) & (self.split.gallery < end)
            places = self.split.gallery[inside] - start
            whole = np.array_equal(places, np.arange(len(part)))
            found.append(part if whole else part[places])
        return found


def score(
    row: Dataset,
    split: Split,
    parts: Sequence[Floats],
    *,
    device: torch.device = CPU,
    advance: Advance = lambda n: None,
) -> Scored:
    """Compute a dataset's metrics for every query.

    parts: (N, D) unit vectors on the grid (bench.exact.grid.on_grid) of the evaluated images, in
    one or more arrays. Raises WorkError for what is no such thing.
    """
    for part in parts:
        check_form(part, f"{row.title}: descriptors", dims=parts[0].shape[-1])
    if sum(map(len, parts)) != len(split.evaluated):
        raise WorkError(
            f"{row.title}: {sum(map(len, parts))} descriptors for {len(split.evaluated)} images: "
            "give one of each"
        )
    place = np.full(len(split.evaluated), -1, dtype=np.int64)
    place[split.gallery] = np.arange(len(split.gallery))
    measured = Measured(split, parts, place)
    measure = MEASURES[row.measure]
    return measure(row, measured, Walk(device, advance))


def _recalls(row: Dataset, measured: Measured, walk: Walk) -> Scored:
    """R@K, MAP@R … over classes. A query alone in its class is none: it stays in the gallery."""
    queries, gallery = _sides(measured)
    own = np.isin(queries.ids, gallery.ids)
    has_company = mates_of_each(queries, gallery) > own
    if not has_company.any():
        raise WorkError(
            f"{row.title}: no class has two images, so no query has anything to find; "
            "put at least two images of some classes into their folders"
        )
    found = rankings(queries, gallery, walk)
    first = found.first()
    columns = {f"r@{k}": recall_at_k(first, k) for k in row.ks}
    columns |= {name: metric(found) for name, metric in OVER_CLASSES.items()}
    columns["mrr"] = reciprocal_rank(first)
    table = pd.DataFrame(columns)[has_company]
    asked = measured.split.queries[has_company]
    images = measured.split.evaluated
    table.insert(0, "query_position", asked)
    table.insert(1, "class", [images.classes[label] for label in images.labels[asked]])
    _add_neighbours(table, measured, [gallery.vectors], measured.own_places(asked))
    table["nearest_grade"] = [
        np.where(images.labels[found] == images.labels[query], "relevant", "wrong").tolist()
        for query, found in zip(asked, table["nearest"], strict=True)
    ]
    counts = {
        "queries": int(has_company.sum()),
        "lone_images": int((~has_company).sum()),
        "tied_queries": int(found.tied.sum()),
    }
    return Scored(table.reset_index(drop=True), counts, _recall_bounds(first, row.ks))


OVER_CLASSES: Mapping[str, Callable[[Rankings], Doubles]] = {
    "map@r": average_precision_at_r,
    "map": average_precision,
    "r-precision": r_precision,
}


def _sides(measured: Measured) -> tuple[Side, Side]:
    """Queries and gallery; one Side where they are the same images: half the product is enough."""
    split, labels = measured.split, measured.split.evaluated.labels
    queries = Side(measured.vectors(split.queries), labels[split.queries], split.queries)
    if np.array_equal(split.queries, split.gallery):
        return queries, queries
    return queries, Side(measured.vectors(split.gallery), labels[split.gallery], split.gallery)


def _recall_bounds(first: FirstHits, ks: Sequence[int]) -> dict[str, tuple[float, float]]:
    return {
        f"r@{k}": (
            float(np.nanmean(pessimistic_recall_at_k(first, k))),
            float(np.nanmean(optimistic_recall_at_k(first, k))),
        )
        for k in ks
    }


def _revisited(row: Dataset, measured: Measured, walk: Walk) -> Scored:
    """mAP and mP@k Easy, Medium, Hard; a query with nothing to find in a setup is not counted."""
    split = measured.split
    graded = split.graded
    assert graded is not None
    truths = [graded[int(query)] for query in split.queries]
    setups = [[_judgement(measured, truth, setup) for truth in truths] for setup in SETUPS]
    gallery = measured.gallery()
    found = judged_rankings(measured.vectors(split.queries), gallery, setups, walk)
    columns = {}
    for setup, ranked in zip(SETUPS, found, strict=True):
        columns[f"map_{setup}"] = average_precision_trapezoid(ranked)
        for k in PRECISION_KS:
            columns[f"mp@{k}_{setup}"] = precision_at_k_revisited(ranked, k)
    table = pd.DataFrame(columns)
    counts = {f"queries_{setup}": int(table[f"map_{setup}"].count()) for setup in SETUPS}
    table.insert(0, "query_position", split.queries)
    _add_neighbours(table, measured, gallery, [measured.places(truth.junk) for truth in truths])
    table["nearest_grade"] = [
        _grades(found, truth) for found, truth in zip(table["nearest"], truths, strict=True)
    ]
    tied = np.logical_or.reduce([ranked.tied for ranked in found])
    return Scored(table, {"queries": len(table), "tied_queries": int(tied.sum()), **counts}, {})


MEASURES: Mapping[str, Callable[[Dataset, Measured, Walk], Scored]] = {
    "recall": _recalls,
    "revisited": _revisited,
}


def _judgement(measured: Measured, truth: Graded, setup: str) -> Judgement:
    relevant, ignored = _setup(truth, setup)
    return Judgement(measured.places(relevant), measured.places(ignored))


def _setup(truth: Graded, setup: str) -> tuple[Positions, Positions]:
    """Return the relevant and the ignored images of a setup (revisitop, example_evaluate.py)."""
    match setup:
        case "easy":
            return truth.easy, np.concatenate([truth.junk, truth.hard])
        case "medium":
            return np.concatenate([truth.easy, truth.hard]), truth.junk
        case _:
            return truth.hard, np.concatenate([truth.junk, truth.easy])


def _grades(images: Sequence[int], truth: Graded) -> list[str]:
    """What a landmark query's neighbours are judged to be; junk is none of them."""
    easy, hard = set(truth.easy.tolist()), set(truth.hard.tolist())
    return ["easy" if i in easy else "hard" if i in hard else "wrong" for i in images]


def _add_neighbours(
    table: pd.DataFrame,
    measured: Measured,
    gallery: Sequence[Floats],
    excluded: Sequence[Positions],
) -> None:
    queries = measured.vectors(table["query_position"].to_numpy())
    found, values = nearest(queries, gallery, excluded, NEIGHBOURS)
    images = measured.split.gallery
    table["nearest"] = [images[row[row >= 0]].tolist() for row in found]
    table["nearest_similarity"] = [row[~np.isnan(row)].tolist() for row in values]
