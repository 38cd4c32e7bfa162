"""bench.metrics: equal to the slow definitions, averaged over every order of every tie."""

import numpy as np
import pytest
from bench.metrics.ties import ranking, rankings, similarities
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics.average_precision import (
    average_precision_at_r,
    average_precision_trapezoid,
    precision_at_k_revisited,
)
from bench.metrics.recall import recall_at_k
from tests import oracles


@st.composite
def cases(draw):
    """A query's similarities with many ties, its relevant and its excluded images."""
    n = draw(st.integers(1, 7))
    values = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    grades = draw(st.lists(st.sampled_from("rrnnx"), min_size=n, max_size=n))
    pick = {g: np.array([i for i in range(n) if grades[i] == g], dtype=np.int64) for g in "rnx"}
    return np.array(values, dtype=np.float32) / 4 - 0.25, pick["r"], pick["x"]


def with_positives(case):
    return len(case[1]) > 0


@given(cases().filter(with_positives), st.integers(1, 9))
def test_recall_is_the_mean_over_orders(case, k):
    expected = oracles.expected(lambda order: oracles.hit_at_k(order, k), *case)
    assert recall_at_k(ranking(*case), k) == pytest.approx(expected, abs=1e-12)


@given(cases().filter(with_positives))
def test_map_at_r_is_the_mean_over_orders(case):
    expected = oracles.expected(oracles.map_at_r_term, *case)
    assert average_precision_at_r(ranking(*case)) == pytest.approx(expected, abs=1e-12)


@given(cases().filter(with_positives))
def test_revisited_ap_is_the_mean_over_orders(case):
    expected = oracles.expected(oracles.revisited_ap, *case)
    assert average_precision_trapezoid(ranking(*case)) == pytest.approx(expected, abs=1e-12)


@given(cases().filter(with_positives), st.integers(1, 6))
def test_revisited_precision_is_the_mean_over_orders(case, k):
    expected = oracles.expected(lambda order: oracles.revisited_precision(order, k), *case)
    assert precision_at_k_revisited(ranking(*case), k) == pytest.approx(expected, abs=1e-12)


@given(cases(), st.randoms(use_true_random=False))
def test_order_of_the_gallery_does_not_matter(case, random):
    values, relevant, excluded = case
    order = list(range(len(values)))
    random.shuffle(order)
    place = np.argsort(order)
    shuffled = ranking(values[order], place[relevant], place[excluded])
    for mine, theirs in zip(vars(ranking(*case)).values(), vars(shuffled).values(), strict=True):
        assert mine.tolist() == theirs.tolist()


@given(cases().filter(with_positives))
def test_recall_grows_with_k_and_ends_at_one(case):
    found = ranking(*case)
    values = [recall_at_k(found, k) for k in range(1, len(case[0]) + 1)]
    assert values == sorted(values)
    assert values[-1] == 1.0


def test_a_query_without_relevant_images_is_nan_everywhere():
    found = ranking(np.zeros(3, np.float32), np.array([], int), np.array([0]))
    for value in (
        recall_at_k(found, 1),
        average_precision_at_r(found),
        average_precision_trapezoid(found),
        precision_at_k_revisited(found, 5),
    ):
        assert np.isnan(value)


def test_a_collapsed_model_scores_chance():
    """Trap 2: counting only strictly better negatives would give 100 % here."""
    found = ranking(np.ones(100, np.float32), np.array([7]), np.array([], int))
    assert recall_at_k(found, 1) == pytest.approx(0.01)
    assert recall_at_k(found, 10) == pytest.approx(0.1)


def test_self_is_masked_by_identity_not_by_rank():
    """Trap 1: a duplicate of the query in another class takes rank 0 from the query itself."""
    vectors = np.array([[1, 0], [1, 0], [0.6, 0.8]], dtype=np.float32)
    labels = np.array([0, 1, 0])

    def judged(query):
        return np.flatnonzero(labels == labels[query]), np.array([query])

    found = list(rankings(vectors, vectors, judged))
    assert recall_at_k(found[0], 1) == 0.0  # the duplicate of class 1 is nearest
    assert recall_at_k(found[0], 2) == 1.0


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_equal_vectors_tie_exactly_in_any_block(rows, monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 37)).astype(np.float32)
    vectors = np.concatenate([vectors, vectors, vectors])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr("bench.metrics.ties.BLOCK_BYTES", 12 * len(vectors) * rows)
    labels = np.arange(150) % 50

    def judged(query):
        return np.flatnonzero(labels == labels[query]), np.array([query])

    for found in rankings(vectors, vectors, judged):
        assert found.positives.tolist() == [2]
        assert found.negatives_above.tolist() == [0]


def test_similarities_are_the_rounded_exact_products():
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=(9, 64)).astype(np.float32) for _ in range(2))
    exact = np.array([[sum(float(x) * float(y) for x, y in zip(u, v)) for v in b] for u in a])  # noqa: B905
    np.testing.assert_allclose(similarities(a, b), exact, rtol=1e-6)


def test_revisitop_hand_worked():
    """relevant at ranks 0 and 2 of 4, junk at rank 1 removed: positions 0 and 1, AP = 1."""
    values = np.array([0.9, 0.8, 0.7, 0.1], dtype=np.float32)
    found = ranking(values, np.array([0, 2]), np.array([1]))
    assert average_precision_trapezoid(found) == 1.0
    assert precision_at_k_revisited(found, 10) == 1.0  # trap 9: cut at the last relevant rank
