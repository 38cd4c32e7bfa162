"""bench.figures.similarities: against a loop over all pairs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.figures import similarities
from bench.figures.similarities import (
    BINS,
    Pairs,
    bins_of,
    centres,
    count_pairs,
    mean_and_spread,
    shares,
)
from registry.datasets.split import Graded, Split, labelled, leave_one_out


def grid_rows(n, dims=4, seed=0):
    """Rows whose products are exact in float32, in any order of adding; none is zero."""
    rows = np.random.default_rng(seed).integers(-8, 9, (n, dims))
    rows[:, 0] += rows[:, 0] == 0
    return (rows / 16).astype(np.float32)


def images(n, classes=()):
    return labelled(Path("images"), [f"{place}.jpg" for place in range(n)], classes)


def classes_of(n, seed=0):
    return [str(label) for label in np.random.default_rng(seed).integers(0, 4, n)]


def positions(*values):
    return np.array(values, dtype=np.int64)


def counted(values):
    found = np.zeros(BINS, dtype=np.int64)
    for value in values:
        found[min(BINS - 1, max(0, int((np.float32(value) + 1) * 1000)))] += 1
    return found


def assert_pairs(found, positive, negative):
    assert np.array_equal(found.positive, counted(positive))
    assert np.array_equal(found.negative, counted(negative))


@settings(max_examples=50)
@given(st.integers(2, 30), st.integers(0, 99))
def test_pairs_of_categories(n, seed):
    rows, names = grid_rows(n, seed=seed), classes_of(n, seed)
    positive, negative = [], []
    for query in range(n):
        for other in range(n):
            if other != query:
                same = names[other] == names[query]
                (positive if same else negative).append(rows[query] @ rows[other])
    assert_pairs(count_pairs(rows, leave_one_out(None, images(n, names))), positive, negative)


def test_queries_outside_of_the_gallery():
    rows, names = grid_rows(9), ["a", "b", "c"] * 3
    split = Split(None, images(9, names), queries=positions(0, 4), gallery=positions(8, 3, 2, 1, 0))
    # 0 is a query and in the gallery, where it is no pair with itself
    positive = [rows[0] @ rows[3], rows[4] @ rows[1]]
    negative = [rows[0] @ rows[k] for k in (8, 2, 1)] + [rows[4] @ rows[k] for k in (8, 3, 2, 0)]
    assert_pairs(count_pairs(rows, split), positive, negative)


def landmarks():
    graded = {
        0: Graded(easy=positions(2), hard=positions(3, 5), junk=positions(4)),
        1: Graded(easy=positions(), hard=positions(6), junk=positions()),
    }
    gallery = positions(2, 3, 4, 5, 6, 7)
    return Split(None, images(8), queries=positions(0, 1), gallery=gallery, graded=graded)


def test_pairs_of_landmarks_are_mediums():
    rows = grid_rows(8)
    positive = [rows[0] @ rows[k] for k in (2, 3, 5)] + [rows[1] @ rows[6]]
    negative = [rows[0] @ rows[k] for k in (6, 7)] + [rows[1] @ rows[k] for k in (2, 3, 4, 5, 7)]
    assert_pairs(count_pairs(rows, landmarks()), positive, negative)


def test_images_that_could_not_be_read_are_no_pairs():
    rows = grid_rows(8)
    rows[[1, 5]] = 0.0  # a query, and a hard image of the other
    positive = [rows[0] @ rows[k] for k in (2, 3)]
    negative = [rows[0] @ rows[k] for k in (6, 7)]
    assert_pairs(count_pairs(rows, landmarks()), positive, negative)


@pytest.mark.parametrize("split", [landmarks(), leave_one_out(None, images(8, list("aabbccdd")))])
def test_blocks_change_nothing(split, monkeypatch):
    rows = grid_rows(8)
    whole = count_pairs(rows, split)
    monkeypatch.setattr(similarities, "PAIRS_AT_ONCE", 1)
    found = count_pairs(rows, split)
    assert np.array_equal(found.positive, whole.positive)
    assert np.array_equal(found.negative, whole.negative)


def test_bins_are_thousandths_and_hold_what_rounding_leaves_outside():
    values = np.array([-1.1, -1.0, -0.9985, 0.0, 0.5, 0.9995, 1.0, 1.0000001], dtype=np.float32)
    assert bins_of(values).tolist() == [0, 0, 1, 1000, 1500, 1999, 1999, 1999]


BIN_LISTS = st.lists(st.integers(0, BINS - 1), max_size=20)


@settings(max_examples=50)
@given(BIN_LISTS, BIN_LISTS)
def test_couples_in_order_are_counted_ties_half(above, below):
    pairs = Pairs(*(np.bincount(np.array(part, int), minlength=BINS) for part in (above, below)))
    couples = [(a > b) + (a == b) / 2 for a in above for b in below]
    if couples:
        assert pairs.in_order == pytest.approx(np.mean(couples))
    else:
        assert np.isnan(pairs.in_order)


def test_mean_and_spread_are_those_of_the_similarities():
    values = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    mean, spread = mean_and_spread(np.bincount(bins_of(values), minlength=BINS))
    assert mean == pytest.approx(values.mean(), abs=5e-4)
    assert spread == pytest.approx(values.std(), abs=5e-4)
    assert np.isnan(mean_and_spread(np.zeros(BINS, dtype=np.int64))).all()


def test_wide_bins_hold_what_their_narrow_ones_do():
    counts = np.arange(BINS)
    found = shares(counts, 100)
    assert found.sum() == pytest.approx(1.0)
    assert found[3] == pytest.approx(counts[60:80].sum() / counts.sum())
    assert shares(np.zeros(BINS, dtype=np.int64), 100).sum() == 0.0
    assert centres(4).tolist() == [-0.75, -0.25, 0.25, 0.75]


def test_seeds_are_added_up():
    one = count_pairs(grid_rows(8), landmarks())
    assert np.array_equal((one + one).positive, 2 * one.positive)
    assert np.array_equal((one + one).negative, 2 * one.negative)
