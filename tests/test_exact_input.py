"""bench.exact and bench.scoring: bad input is refused by name, or follows a stated rule."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from bench.exact import grid
from bench.exact.classes import first_hits, rankings
from bench.exact.grid import check_vectors, on_grid
from bench.exact.judged import Judgement, judged_rankings
from bench.exact.mates import Side
from bench.exact.walk import Walk
from bench.metrics.average_precision import average_precision
from bench.metrics.rankings import FirstHits
from bench.metrics.recall import recall_at_k, reciprocal_rank
from bench.scoring import score
from bench.stages.descriptors import unit
from registry.datasets import dataset_row
from registry.datasets.split import Graded, labelled, leave_one_out
from registry.errors import UsageError, WorkError

WALK = Walk(torch.device("cpu"))
SEARCHES = (first_hits, rankings)


def good(n=6, dims=4):
    return unit(np.random.default_rng(0).normal(size=(n, dims)))


def side(vectors, labels=None, ids=None):
    n = len(vectors)
    return Side(
        vectors,
        np.arange(n) // 2 if labels is None else labels,
        np.arange(n) if ids is None else ids,
    )


def with_entry(value):
    vectors = good()
    vectors[3, 1] = value
    return vectors


def with_row(row):
    vectors = good()
    vectors[3] = row
    return vectors


BAD_VECTORS = {
    "not a number": (with_entry(np.nan), "row 3 holds no numbers, and 0 more"),
    "infinite": (with_entry(np.inf), "row 3 holds no numbers"),
    "infinite below": (with_entry(-np.inf), "row 3 holds no numbers"),
    "overflowing": (with_entry(1e30), "row 3 holds no numbers"),
    "one row too long": (with_entry(2.0), r"row 3 has norm 2\.\d+, and 0 more .*normalise them"),
    "all too long": (good() * 2, "row 0 has norm 2, and 5 more rows"),
    "all too short": (good() / 2, r"row 0 has norm 0\.5, and 5 more rows"),
    "a little too long": (on_grid(good() * np.float32(1.002)), r"row 0 has norm 1\.002"),
    "tiny": (with_entry(0) * np.float32(2.0**-20), "no unit vectors"),
    "float64": (good().astype(np.float64), "are float64: give float32"),
    "float16": (good().astype(np.float16), "are float16: give float32"),
    "integers": (np.eye(6, 4, dtype=np.int64), "are int64: give float32"),
    "other byte order": (good().astype(">f4"), "are >f4: give float32"),
    "one row alone": (good()[0], r"shape \(4,\): give a row per image"),
    "no dims": (good()[:, :0], r"shape \(6, 0\): give a row per image"),
    "three axes": (good()[None], r"shape \(1, 6, 4\): give a row per image"),
    "a number": (np.float32(1).reshape(()), r"shape \(\): give a row per image"),
    "off the grid": (with_row([1, 2.0**-28, 0, 0]), r"not rounded to multiples of 2\^-26.*on_grid"),
}


def off_grid():
    """Float32 unit vectors as most code has them."""
    vectors = np.random.default_rng(0).normal(size=(6, 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("name", BAD_VECTORS)
def test_bad_descriptors_are_named(name):
    vectors, message = BAD_VECTORS[name]
    with pytest.raises(WorkError, match=f"^features.* {message}"):
        check_vectors(vectors, "features of a test")


def test_unit_vectors_off_the_grid_are_refused_and_rounded_ones_are_not():
    with pytest.raises(WorkError, match=r"multiples of 2\^-26"):
        check_vectors(off_grid())
    check_vectors(on_grid(off_grid()))


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", [name for name in BAD_VECTORS if name not in ("a number",)])
def test_no_search_takes_bad_queries_or_a_bad_gallery(search, name):
    bad = side(BAD_VECTORS[name][0])
    with pytest.raises(WorkError, match=r"^queries"):
        search(bad, side(good()), WALK)
    with pytest.raises(WorkError, match=r"^queries"):
        search(bad, bad, WALK)
    with pytest.raises(WorkError, match=r"^gallery"):
        search(side(good()), bad, WALK)


@pytest.mark.parametrize("name", [name for name in BAD_VECTORS if name not in ("a number",)])
def test_no_judged_search_takes_bad_queries_or_a_bad_part(name):
    bad, none = BAD_VECTORS[name][0], np.zeros(0, np.int64)
    setup = [Judgement(none, none)] * 6
    with pytest.raises(WorkError, match=r"^queries"):
        judged_rankings(bad, [good()], [setup], WALK)
    with pytest.raises(WorkError, match=r"^gallery"):
        judged_rankings(good(), [good(), bad], [setup], WALK)


@pytest.mark.parametrize("row", [0, 3, 4, 8, 9])
@pytest.mark.parametrize("value", [np.nan, 7.0, 2.0**-30])
def test_a_bad_row_is_found_wherever_it_is(row, value):
    vectors = np.eye(10, dtype=np.float32)
    vectors[row, 9 - row] = value
    message = rf"row {row} " if value != 2.0**-30 else "multiples"
    with patch.object(grid, "ROWS_CHECKED", 4), pytest.raises(WorkError, match=message):
        check_vectors(vectors)


def test_norms_may_be_off_by_a_thousandth():
    for scale in (0.9991, 1.0009):
        check_vectors(on_grid(good() * np.float32(scale)))
    for scale in (0.9985, 1.0015):
        with pytest.raises(WorkError, match="has norm"):
            check_vectors(on_grid(good() * np.float32(scale)))


BAD_NUMBERS = {
    "too few": np.arange(5),
    "too many": np.arange(7),
    "real": np.arange(6.0),
    "yes or no": np.zeros(6, bool),
    "names": np.array(list("abcdef")),
    "of two axes": np.zeros((6, 1), np.int64),
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", BAD_NUMBERS)
@pytest.mark.parametrize("which", ["labels", "ids"])
def test_labels_and_ids_are_a_whole_number_for_each_descriptor(search, name, which):
    bad = replace(side(good()), **{which: BAD_NUMBERS[name]})
    message = rf"6 descriptors and {which} of shape .*give a whole number for each"
    with pytest.raises(WorkError, match=f"^queries: {message}"):
        search(bad, side(good()), WALK)
    with pytest.raises(WorkError, match=f"^gallery: {message}"):
        search(side(good()), bad, WALK)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8, np.uint32, np.uint64])
def test_labels_of_any_whole_type_give_the_same_counts(dtype):
    plain, other = side(good()), side(good(), np.arange(6, dtype=dtype) // dtype(2))
    for search in SEARCHES:
        mine, theirs = search(plain, plain, WALK), search(other, other, WALK)
        np.testing.assert_array_equal(mine.negatives_above, theirs.negatives_above)


@pytest.mark.parametrize("search", SEARCHES)
def test_queries_and_gallery_of_other_dims_are_refused(search):
    with pytest.raises(WorkError, match="queries have 4 dims, the gallery 5"):
        search(side(good()), side(good(dims=5)), WALK)


def test_judged_galleries_of_other_dims_are_refused():
    none = np.zeros(0, np.int64)
    with pytest.raises(WorkError, match="queries have 4 dims, the gallery 5"):
        judged_rankings(good(1), [good(), good(dims=5)], [[Judgement(none, none)]], WALK)


@pytest.mark.parametrize("which", ["relevant", "ignored"])
@pytest.mark.parametrize("place", [-1, 12, 10**9])
def test_judgements_outside_the_gallery_are_refused(which, place):
    none = np.zeros(0, np.int64)
    judged = replace(Judgement(none, none), **{which: np.array([0, place])})
    with pytest.raises(WorkError, match=r"is judged, in a gallery of 12"):
        judged_rankings(good(1), [good(), good()], [[judged]], WALK)


@pytest.mark.parametrize("judged", [0, 1, 3])
def test_each_query_is_judged_once_in_each_setup(judged):
    one = Judgement(np.array([0]), np.array([1]))
    with pytest.raises(WorkError, match=f"2 queries, {judged} of them judged"):
        judged_rankings(good(2), [good()], [[one] * 2, [one] * judged], WALK)


# --- Documented rules ---


def test_a_zero_descriptor_is_as_similar_to_everything_as_0_is():
    vectors = np.array([[0, 0], [1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    one = side(vectors, np.array([0, 0, 1, 1]))
    first = first_hits(one, one, WALK)
    # query 0: all three tie at 0; query 1: its mate at 0 with image 2, above image 3
    assert first.positives.tolist() == [1, 1, 1, 1]
    assert first.negatives_tied.tolist() == [2, 1, 2, 1]
    assert first.negatives_above.tolist() == [0, 0, 0, 0]
    assert recall_at_k(first, 1).tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 2])


def test_a_query_without_company_is_nan_and_stays_in_the_gallery_of_others():
    vectors = np.array([[1, 0], [0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    lone = side(on_grid(vectors), np.array([0, 0, 1]))
    first = first_hits(lone, lone, WALK)
    assert np.isnan(recall_at_k(first, 1)).tolist() == [False, False, True]
    assert np.isnan(reciprocal_rank(first)).tolist() == [False, False, True]
    assert first.negatives_above.tolist() == [1, 1, 0]
    assert np.isnan(average_precision(rankings(lone, lone, WALK))).tolist() == [False, False, True]


@pytest.mark.parametrize("labels", [[-1] * 6, [-5] * 6, range(6)])
def test_images_of_no_class_are_relevant_to_nobody(labels):
    alone = side(good(), np.array(labels))
    assert not first_hits(alone, alone, WALK).answerable.any()
    assert not len(rankings(alone, alone, WALK).positives)


def test_an_image_judged_relevant_and_ignored_is_ignored():
    both = Judgement(np.array([0, 1]), np.array([1, 1, 2]))
    (found,) = judged_rankings(good(1), [good(4)], [[both]], WALK)
    assert found.n_positives.tolist() == [1]
    assert found.positives.tolist() == [1]


def test_an_image_judged_twice_counts_once():
    once = Judgement(np.array([2]), np.array([1]))
    twice = Judgement(np.array([2, 2]), np.array([1, 1, 1]))
    found = judged_rankings(good(1), [good(4)], [[once], [twice]], WALK)
    for name, value in vars(found[0]).items():
        np.testing.assert_array_equal(getattr(found[1], name), value)


# --- Scoring of a dataset ---

FOLDER = dataset_row("twin-sop")
LANDMARKS = dataset_row("twin-roxford")


def classes_split(names="aabbcc"):
    images = labelled(Path("nowhere"), [f"{i}.jpg" for i in range(len(names))], list(names))
    return leave_one_out(None, images)


def landmarks_split():
    """Query 0 and a gallery of five images."""
    split = leave_one_out(None, labelled(Path("nowhere"), [f"{i}.jpg" for i in range(6)], []))
    truth = Graded(np.array([1]), np.array([2]), np.array([3]))
    return replace(split, queries=np.array([0]), gallery=np.arange(1, 6), graded={0: truth})


SPLITS = {"classes": (FOLDER, classes_split), "landmarks": (LANDMARKS, landmarks_split)}


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("n", [0, 5, 7])
def test_scoring_wants_a_descriptor_of_each_image(name, n):
    row, split = SPLITS[name]
    with pytest.raises(WorkError, match=f"{n} descriptors for 6 images: give one of each"):
        score(row, split(), [good(n) if n else good()[:0]])


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize(
    "bad", ["not a number", "infinite", "all too long", "all too short", "off the grid", "no dims"]
)
def test_scoring_refuses_bad_descriptors(name, bad):
    row, split = SPLITS[name]
    with pytest.raises(WorkError, match=r"holds no numbers|has norm|multiples|give a row per"):
        score(row, split(), [BAD_VECTORS[bad][0]])


OTHERS = {
    "float64": good().astype(np.float64),
    "float16": good().astype(np.float16),
    "integers": np.eye(6, 4, dtype=np.int64),
    "one row alone": np.ones(6, np.float32),
    "three axes": good()[:, None],
}


@pytest.mark.parametrize("bad", OTHERS)
def test_scoring_over_classes_refuses_descriptors_of_other_types_and_shapes(bad):
    with pytest.raises(WorkError, match=r"give (float32|a row per image)"):
        score(FOLDER, classes_split(), [OTHERS[bad]])


@pytest.mark.parametrize("bad", ["float64", "float16", "integers"])
def test_scoring_of_landmarks_refuses_descriptors_of_other_types(bad):
    with pytest.raises(WorkError, match="give float32"):
        score(LANDMARKS, landmarks_split(), [OTHERS[bad]])


@pytest.mark.parametrize("bad", ["one row alone", "three axes"])
def test_scoring_of_landmarks_refuses_descriptors_of_other_shapes(bad):
    with pytest.raises(WorkError, match="give a row per image"):
        score(LANDMARKS, landmarks_split(), [OTHERS[bad]])


@pytest.mark.parametrize("name", SPLITS)
def test_scoring_refuses_parts_of_other_dims(name):
    row, split = SPLITS[name]
    with pytest.raises(WorkError, match="dims"):
        score(row, split(), [good(3), good(3, dims=5)])


def test_judgements_are_places_and_no_masks():
    mask = np.array([False, False, True, False])
    with pytest.raises(WorkError, match="judged"):
        judged_rankings(good(1), [good(4)], [[Judgement(mask, ~mask)]], WALK)


def test_labels_may_be_any_whole_numbers():
    plain = side(good(), np.array([0, 0, 1, 1, 2, 10**15]))
    assert len(rankings(plain, plain, WALK)) == 6


@pytest.mark.parametrize("k", [1.5, float("nan")])
def test_k_is_a_whole_number(k):
    first = FirstHits(*np.array([[1], [2], [0]]))
    with pytest.raises(UsageError, match="whole number"):
        recall_at_k(first, k)


def test_a_gallery_seen_backwards_is_a_gallery():
    forward, backward = side(good()), side(good()[::-1])
    rankings(forward, backward, WALK)


@pytest.mark.parametrize("names", ["abcdef", "a"])
def test_nothing_to_find_at_all_is_an_error(names):
    with pytest.raises(WorkError, match="no class has two images"):
        score(FOLDER, classes_split(names), [good(len(names))])


def test_lone_queries_are_counted_and_left_out_of_the_table():
    found = score(FOLDER, classes_split("aabbbc"), [good()])
    assert found.counts["queries"] == len(found.table) == 5
    assert found.counts["lone_images"] == 1
    assert not found.table["r@1"].isna().any()
    assert 5 not in found.table["query_position"].tolist()
