"""Other libraries agree wherever their definitions are ours; faiss finds the neighbours we list."""

import numpy as np
import pytest
import torch

from bench import neighbours
from bench.exact.classes import rankings
from bench.exact.mates import Side
from bench.exact.walk import Walk
from bench.metrics.average_precision import (
    average_precision,
    average_precision_at_r,
    r_precision,
)
from bench.metrics.recall import recall_at_k, reciprocal_rank
from bench.neighbours import nearest
from bench.stages.descriptors import unit
from tests import integers

CPU = torch.device("cpu")


def catalogue(seed, dims=24):
    """Classes of 2 to 9 noisy images; no two similarities of a query are within 1e-6."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(20), rng.integers(2, 10, size=20))
    centres = rng.normal(size=(20, dims))
    vectors = unit(centres[labels] + rng.normal(scale=1.2, size=(len(labels), dims)))
    return Side(vectors, labels, np.arange(len(labels)))


def mine(side):
    found = rankings(side, side, Walk(CPU))
    assert not found.tied.any()
    return {
        "precision_at_1": recall_at_k(found.first(), 1),
        "mean_average_precision_at_r": average_precision_at_r(found),
        "r_precision": r_precision(found),
        "mean_average_precision": average_precision(found),
        "mean_reciprocal_rank": reciprocal_rank(found.first()),
    }


@pytest.mark.parametrize("seed", range(4))
def test_pytorch_metric_learning_agrees(seed):
    """For classes of two images and more; one image alone is NaN here, and left out there."""
    calculator = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
    side, ours = catalogue(seed), mine(catalogue(seed))
    theirs = calculator.AccuracyCalculator(include=tuple(ours), device=CPU).get_accuracy(
        torch.from_numpy(side.vectors), torch.from_numpy(side.labels)
    )
    assert theirs.keys() == ours.keys()
    for name, value in theirs.items():
        assert value == pytest.approx(ours[name].mean(), abs=1e-6), name


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("k", [1, 5, 500])
def test_torchmetrics_agrees(seed, k):
    """Its hit rate is our R@K; its recall is the share of relevant images that were found."""
    retrieval = pytest.importorskip("torchmetrics.retrieval")
    side = catalogue(seed)
    ours = mine(side) | {"hit": recall_at_k(rankings(side, side, Walk(CPU)).first(), k)}
    n = len(side.labels)
    exact = torch.from_numpy(side.vectors).double()
    others = ~torch.eye(n, dtype=torch.bool)
    labels = torch.from_numpy(side.labels)
    arguments = (
        (exact @ exact.T + 2)[others],  # all above 0: hits below are dropped by some metrics
        (labels == labels[:, None])[others],
        torch.arange(n)[:, None].expand(n, n)[others],
    )
    for name, metric in {
        "mean_average_precision": retrieval.RetrievalMAP(),
        "mean_reciprocal_rank": retrieval.RetrievalMRR(),
        "r_precision": retrieval.RetrievalRPrecision(),
        "hit": retrieval.RetrievalHitRate(top_k=k),
    }.items():
        assert float(metric(*arguments)) == pytest.approx(ours[name].mean(), abs=1e-6), name


# --- Neighbours ---


def exact_order(queries, gallery, hidden, k):
    """The k nearest by whole-numbered similarities, -1 beyond the end."""
    found = []
    for values, out in zip(integers.similarities(queries, gallery), hidden, strict=True):
        order = [int(i) for i in np.argsort(-values, kind="stable") if i not in out.tolist()]
        found.append((order + [-1] * k)[:k])
    return found


def cut(gallery, rng):
    """The gallery in four parts, one of them empty."""
    ends = np.sort(rng.integers(0, len(gallery) + 1, size=2))
    return np.split(gallery, [ends[0], ends[0], ends[1]])


@pytest.mark.parametrize("piece", [1, 7, 16, 1 << 17])
@pytest.mark.parametrize("n", [1, 3, 10, 11, 60])
@pytest.mark.parametrize("k", [1, 10])
def test_neighbours_are_those_of_exact_similarities(piece, n, k, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "PIECE", piece)
    rng = np.random.default_rng(n)
    gallery, queries = unit(rng.normal(size=(n, 12))), unit(rng.normal(size=(9, 12)))
    hidden = [rng.choice(n, size=rng.integers(0, min(n, 6) + 1), replace=False) for _ in queries]
    for parts in ([gallery], cut(gallery, rng)):
        places, values = nearest(queries, parts, hidden, k)
        assert places.tolist() == exact_order(queries, gallery, hidden, k)
        exact = integers.similarities(queries, gallery) / integers.STEPS**2
        expected = np.take_along_axis(exact, places, axis=1)
        np.testing.assert_allclose(values[places >= 0], expected[places >= 0], atol=1e-6)
        assert np.isnan(values[places < 0]).all()
        assert places.shape == values.shape == (9, k)


def test_neighbours_leave_out_what_is_hidden_in_whichever_part_it_is(monkeypatch):
    """The copy of each query, in a later part and piece, is hidden by its place alone."""
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "PIECE", 8)
    vectors = unit(np.random.default_rng(0).normal(size=(30, 6)))
    parts = [vectors[:13], vectors[13:]]
    hidden = [np.array([i]) for i in range(30)]
    places, _ = nearest(vectors, parts, hidden, 5)
    assert places.tolist() == exact_order(vectors, vectors, hidden, 5)
    shown, values = nearest(vectors, parts, [np.zeros(0, np.int64)] * 30, 5)
    assert shown[:, 0].tolist() == list(range(30))
    np.testing.assert_allclose(values[:, 0], 1, atol=1e-6)


def test_neighbours_in_an_empty_gallery_are_none():
    pytest.importorskip("faiss")
    vectors = unit(np.random.default_rng(0).normal(size=(4, 6)))
    for parts in ([], [vectors[:0]], [vectors[:0], vectors[:0]]):
        places, values = nearest(vectors, parts, [np.zeros(0, np.int64)] * 4, 3)
        assert (places == -1).all()
        assert np.isnan(values).all()


def test_neighbours_of_no_queries_are_none():
    pytest.importorskip("faiss")
    vectors = unit(np.random.default_rng(0).normal(size=(4, 6)))
    places, values = nearest(vectors[:0], [vectors], [], 3)
    assert places.shape == values.shape == (0, 3)
