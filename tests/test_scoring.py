"""bench.scoring: every column of a table equals its definition on whole-numbered similarities."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.scoring import score
from bench.stages.descriptors import unit
from registry.datasets import dataset_row
from registry.datasets.split import Graded, labelled, leave_one_out
from tests import integers, oracles

ROW = dataset_row("twin-sop")
METRICS = {
    "map@r": oracles.map_at_r_term,
    "map": oracles.average_precision,
    "r-precision": oracles.r_precision,
    "mrr": oracles.reciprocal_rank,
}


def catalogue(seed):
    """Classes of one to five noisy images, in no order."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.repeat(np.arange(14), rng.integers(1, 6, size=14)))
    vectors = unit(rng.normal(size=(14, 6))[names] + rng.normal(size=(len(names), 6)))
    images = labelled(
        Path("nowhere"), [f"{i}" for i in range(len(names))], names.astype(str).tolist()
    )
    return leave_one_out(None, images), vectors


def halves(split):
    """Queries are the even images; the gallery is what is left, and some of the queries."""
    n = len(split.evaluated)
    return replace(split, queries=np.arange(0, n, 2), gallery=np.flatnonzero(np.arange(n) % 6))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [lambda split: split, halves], ids=["all", "halves"])
def test_every_column_is_its_definition(seed, shape):
    split, vectors = catalogue(seed)
    split, labels = shape(split), split.evaluated.labels
    found = score(ROW, split, np.split(vectors, [7, 7, 20]))
    asked = {}
    for query in split.queries.tolist():
        others = split.gallery[split.gallery != query]
        order = others[np.argsort(-integers.similarities(vectors[[query]], vectors[others])[0])]
        relevance = (labels[order] == labels[query]).tolist()
        if any(relevance):
            asked[query] = order, relevance
    assert found.table["query_position"].tolist() == list(asked)
    assert found.counts["lone_images"] == len(split.queries) - len(asked) > 0
    assert found.counts["queries"] == len(asked)
    assert found.counts["tied_queries"] == 0
    for line, (order, relevance) in zip(
        found.table.to_dict("records"), asked.values(), strict=True
    ):
        for name, slow in METRICS.items():
            assert line[name] == pytest.approx(slow(relevance), abs=1e-12)
        for k in ROW.ks:
            assert line[f"r@{k}"] == oracles.hit_at_k(relevance, k)
        assert list(line["nearest"]) == order[:10].tolist()


def landmarks(truth, vectors):
    """One judged query and its gallery."""
    split = leave_one_out(
        None, labelled(Path("nowhere"), [f"{i}" for i in range(len(vectors))], [])
    )
    graded = {0: Graded(*(np.array(part, np.int64) for part in truth))}
    return replace(split, queries=np.arange(1), gallery=np.arange(1, len(vectors)), graded=graded)


@pytest.mark.parametrize(
    ("truth", "tied"), [(([1], [3], []), 1), (([3], [1], []), 1), (([3], [], []), 0)]
)
def test_a_landmark_query_is_tied_if_it_is_in_any_setup(truth, tied):
    """Images 1 and 2 are the same; 3 stands alone."""
    angles = np.radians([0, 10, 10, 20])
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    found = score(dataset_row("twin-roxford"), landmarks(truth, vectors), [vectors])
    assert found.counts["tied_queries"] == tied


def test_neighbours_of_a_landmark_leave_out_junk():
    angles = np.radians([0, 1, 2, 3, 4])
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    split = landmarks(([2], [4], [1]), vectors)
    found = score(dataset_row("twin-roxford"), split, [vectors[:2], vectors[2:]])
    assert found.table["nearest"][0] == [2, 3, 4]


def test_judged_images_outside_the_gallery_are_nobodys():
    """A bad image is taken out of the gallery, not out of the judgements."""
    vectors = unit(np.random.default_rng(0).normal(size=(8, 4)))
    split = landmarks(([1, 5], [2], [3]), vectors)
    fewer = replace(split, gallery=np.array([2, 4, 5, 6, 7]))
    row = dataset_row("twin-roxford")
    mine = score(row, fewer, [vectors]).table
    theirs = score(row, fewer.without(np.array([1, 3])), [vectors]).table
    assert mine.to_dict() == theirs.to_dict()
