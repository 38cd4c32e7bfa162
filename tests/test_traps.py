"""Ways in which published code gets these numbers wrong, each shown next to ours.

Every test computes the wrong number as that code does, and the right one by bench.scoring or
bench.metrics on the same data.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.exact.blocks import Blocks
from bench.exact.classes import first_hits, rankings
from bench.exact.judged import Judgement, judged_rankings
from bench.exact.mates import Side
from bench.exact.walk import Walk
from bench.metrics.average_precision import (
    average_precision,
    average_precision_at_r,
    average_precision_trapezoid,
)
from bench.metrics.recall import optimistic_recall_at_k, recall_at_k
from bench.metrics.revisited import precision_at_k_revisited
from bench.scoring import score
from bench.stages.descriptors import unit
from registry.datasets import dataset_row
from registry.datasets.split import Graded, labelled, leave_one_out
from registry.errors import WorkError
from tests import integers

WALK = Walk(torch.device("cpu"))


def catalogue(n=200, dims=32, noise=1.0, seed=0):
    """Pairs of noisy images."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) // 2
    vectors = unit(rng.normal(size=(n // 2, dims))[labels] + noise * rng.normal(size=(n, dims)))
    return Side(vectors, labels, np.arange(n))


def r1(queries, gallery):
    """Our Recall@1."""
    return np.nanmean(recall_at_k(first_hits(queries, gallery, WALK), 1))


def ranking(relevance):
    """Rankings of one query without ties, of a string of 1s and 0s."""
    values = list(range(len(relevance), 0, -1))
    relevant = [i for i in range(len(relevance)) if relevance[i] == "1"]
    return integers.as_rankings([integers.groups(values, relevant, [])])


def test_trap_1_the_query_itself_is_left_out_by_identity_not_by_its_rank():
    """With copies in other classes, `topk(2)[:, 1:]` may drop the copy and find the query."""
    side = catalogue(noise=3.0)
    vectors, labels = side.vectors.copy(), side.labels
    vectors[100:140] = vectors[:40]  # copies of images of other classes
    copied = replace(side, vectors=vectors)
    exact = integers.similarities(vectors, vectors)
    order = np.argsort(-exact, axis=1, kind="stable")
    wrong = np.mean(labels[order[:, 1]] == labels)
    np.fill_diagonal(exact, -(2**60))
    best = exact.max(axis=1)
    hits = [np.mean(labels[row == top] == own) for row, top, own in zip(exact, best, labels)]  # noqa: B905
    assert r1(copied, copied) == pytest.approx(np.mean(hits), abs=1e-12)
    assert wrong > np.mean(hits) + 0.1
    first = first_hits(copied, copied, WALK)
    assert (recall_at_k(first, 1)[:40] == 0).all()  # the copy is nearest, always


def test_trap_2_a_collapsed_model_does_not_win_its_ties():
    side = catalogue(n=100)
    same = replace(side, vectors=np.repeat(side.vectors[:1], 100, axis=0))
    first = first_hits(same, same, WALK)
    assert optimistic_recall_at_k(first, 1).mean() == 1.0  # `neg > max(pos)` counts nothing above
    assert recall_at_k(first, 1).mean() == pytest.approx(1 / 99)
    found = score(*folder(same))
    assert found.table["r@1"].mean() == pytest.approx(1 / 99)
    assert found.bounds["r@1"] == (0.0, 1.0)
    assert found.counts["tied_queries"] == 100


def folder(side):
    """A dataset of classes, as bench.scoring takes it."""
    names = [str(label) for label in side.labels]
    images = labelled(Path("nowhere"), [f"{i}.jpg" for i in side.ids], names)
    return dataset_row("twin-sop"), leave_one_out(None, images), [side.vectors]


def landmarks(truths, vectors):
    """A dataset of judged queries: those are the first images, the others are the gallery."""
    split = leave_one_out(
        None, labelled(Path("nowhere"), [f"{i}" for i in range(len(vectors))], [])
    )
    n = len(truths)
    split = replace(
        split,
        queries=np.arange(n),
        gallery=np.arange(n, len(vectors)),
        graded={i: Graded(*(np.array(part, np.int64) for part in t)) for i, t in enumerate(truths)},
    )
    return dataset_row("twin-roxford"), split, [vectors]


def on_a_circle(*degrees):
    """Images at angles from the query: the nearer, the more similar."""
    angles = np.radians(degrees)
    return unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))


def test_trap_7_junk_is_removed_not_counted_as_irrelevant():
    """Ranked: junk, junk, easy, irrelevant, easy."""
    data = landmarks([([3, 5], [], [1, 2])], on_a_circle(0, 1, 2, 3, 4, 5))
    with_junk = average_precision_trapezoid(ranking("00101"))[0]
    assert score(*data).table["map_easy"][0] == average_precision_trapezoid(ranking("101"))[0]
    assert score(*data).table["map_easy"][0] > with_junk + 0.4


def test_trap_7_the_integral_of_landmarks_is_made_of_trapezoids():
    data = landmarks([([2, 4], [], [])], on_a_circle(0, 1, 2, 3, 4))
    finite_sum = (1 / 2 + 2 / 4) / 2
    trapezoids = ((0 + 1 / 2) / 2 + (1 / 3 + 2 / 4) / 2) / 2
    assert score(*data).table["map_easy"][0] == pytest.approx(trapezoids, abs=1e-15)
    assert trapezoids < finite_sum - 0.15


def test_trap_7_easy_images_are_ignored_where_hard_ones_are_asked_for():
    """Ranked: easy, hard, irrelevant."""
    data = landmarks([([1], [2], [])], on_a_circle(0, 1, 2, 3))
    table = score(*data).table
    assert (table["map_easy"][0], table["map_medium"][0], table["map_hard"][0]) == (1, 1, 1)
    assert average_precision_trapezoid(ranking("010"))[0] == 1 / 4  # easy as irrelevant


def test_trap_8_queries_with_nothing_to_find_are_left_out_and_counted():
    data = landmarks([([2], [], []), ([], [3], [])], on_a_circle(0, 90, 1, 91, 45))
    found = score(*data)
    assert found.table["map_easy"].mean() == 1.0  # not 1/2, as with 0 for the empty query
    assert math.isnan(found.table["map_easy"][1])
    assert [found.counts[f"queries_{s}"] for s in ("easy", "medium", "hard")] == [1, 2, 1]


def test_trap_9_mp_at_10_of_landmarks_is_cut_at_the_last_relevant_image():
    assert precision_at_k_revisited(ranking("11" + "0" * 20), 10) == 1.0  # not 2 / 10
    assert precision_at_k_revisited(ranking("11" + "0" * 20 + "1"), 10) == 2 / 10


def test_trap_10_and_more_3_average_precisions_have_other_divisors():
    """Ranked 1 0 0 1 0 0 0 0 0 1, cut at 5: one ranking, five numbers."""
    found = ranking("1001000001")
    hits = [1 / 1, 2 / 4, 3 / 10]
    numbers = {
        "over all relevant": sum(hits) / 3,
        "cut at R = 3": hits[0] / 3,
        "over hits in the first 5": sum(hits[:2]) / 2,
        "over min(R, 5)": sum(hits[:2]) / 3,
        "trapezoids": (1 + (1 / 3 + hits[1]) / 2 + (2 / 9 + hits[2]) / 2) / 3,
    }
    assert len({round(number, 6) for number in numbers.values()}) == 5
    assert average_precision(found) == pytest.approx(numbers["over all relevant"])
    assert average_precision_at_r(found) == pytest.approx(numbers["cut at R = 3"])
    assert average_precision_trapezoid(found) == pytest.approx(numbers["trapezoids"])


def test_trap_10_a_perfect_ranking_is_1_though_the_class_holds_the_query():
    side = catalogue(noise=0.01)
    found = rankings(side, side, WALK)
    assert (average_precision_at_r(found) == 1).all()
    assert average_precision_at_r(found).mean() > 1 / 2  # divided by the size of the class


def test_trap_11_rankings_are_not_cut_at_1023_or_2047():
    """One relevant image at rank 3,000, and a class of 2,500."""
    deep = ranking("0" * 2999 + "1")
    assert average_precision(deep) == 1 / 3000  # 0 when cut
    assert recall_at_k(deep.first(), 3000) == 1
    assert recall_at_k(deep.first(), 2999) == 0
    side = catalogue(n=2600, dims=4)
    large = replace(side, labels=(np.arange(2600) >= 2500).astype(np.int64))
    some = Side(large.vectors[:5], large.labels[:5], large.ids[:5])
    exact = integers.similarities(some.vectors, large.vectors)
    found = average_precision(rankings(some, large, WALK))
    for query, values in enumerate(exact):
        order = [i for i in np.argsort(-values, kind="stable") if i != query]
        hits = large.labels[order] == 0
        precisions = np.cumsum(hits) / np.arange(1, 2600)
        assert found[query] == pytest.approx(precisions[hits].mean(), abs=1e-12)
        assert found[query] > precisions[:2047][hits[:2047]].sum() / 2499 + 0.1


def test_trap_12_and_more_1_recall_at_k_is_any_hit():
    """Ranked 0 1 0 1 1: of the first 2, one is relevant; a third of the relevant is found."""
    first = ranking("01011").first()
    assert recall_at_k(first, 2) == 1  # neither 1 / 2 nor 1 / 3
    assert [recall_at_k(first, k)[0] for k in (1, 2, 3, 4, 5)] == [0, 1, 1, 1, 1]


def test_trap_16_descriptors_padded_for_several_devices_are_refused():
    row, split, (vectors,) = folder(catalogue(n=10))
    padded = np.concatenate([vectors, vectors[:2]])
    with pytest.raises(WorkError, match="12 descriptors for 10 images"):
        score(row, split, [padded])


def test_trap_17_similarities_are_not_rounded_to_half_precision():
    side = catalogue(n=400, dims=3, noise=0.05)
    found = rankings(side, side, WALK)
    assert not found.tied.any()
    half = side.vectors.astype(np.float16) @ side.vectors.astype(np.float16).T
    np.fill_diagonal(half, -2)
    mate = half[np.arange(400), np.arange(400) ^ 1]
    assert np.mean((half == mate[:, None]).sum(axis=1) > 1) > 0.05  # ties that are none
    exact = integers.similarities(side.vectors, side.vectors)
    np.fill_diagonal(exact, -(2**60))
    assert r1(side, side) == np.mean(exact.argmax(axis=1) == np.arange(400) ^ 1)


def test_trap_18_vectors_cut_to_fewer_dims_are_refused_until_they_are_normalised_again():
    row, split, (vectors,) = folder(catalogue(noise=2.0))
    cut = np.ascontiguousarray(vectors[:, :8])
    with pytest.raises(WorkError, match="are no unit vectors: normalise them"):
        score(row, split, [cut])
    found = score(row, split, [unit(cut.astype(np.float64))])
    values = integers.similarities(cut, cut)
    np.fill_diagonal(values, -(2**60))
    nearest = [row[0] for row in found.table["nearest"]]
    assert np.mean(values.argmax(axis=1) != nearest) > 0.1


def test_trap_25_no_block_of_the_whole_product_is_held(monkeypatch):
    """Each tile is as large as asked for at most, whatever the number of images."""
    tiles = []
    whole = torch.mm

    def spied(left, right, **options):
        tiles.append((len(left), right.shape[1]))
        return whole(left, right, **options)

    monkeypatch.setattr(torch, "mm", spied)
    side = catalogue(n=300)
    first_hits(side, side, Walk(torch.device("cpu"), blocks=Blocks(32, 48)))
    assert len(tiles) == 10 * 11 // 2
    assert max(rows * columns for rows, columns in tiles) <= 32 * 48


def test_more_2_hits_of_negative_similarity_are_hits():
    """torchmetrics' retrieval_recall drops what scores 0 or less."""
    found = first_hits(*opposite(), WALK)
    assert recall_at_k(found, 1).tolist() == [1.0]


def opposite():
    """A query, and a gallery that lies opposite to it: its mate is the least dissimilar."""
    vectors = on_a_circle(0, 100, 170, 180)
    query = Side(vectors[:1], np.array([0]), np.array([0]))
    return query, Side(vectors[1:], np.array([0, 1, 2]), np.array([1, 2, 3]))


def test_more_4_empty_queries_are_nan_neither_0_nor_1():
    side = catalogue(n=10)
    alone = replace(side, labels=np.array([*range(8), 8, 8]))
    values = recall_at_k(first_hits(alone, alone, WALK), 10)
    assert np.isnan(values[:8]).all()
    assert np.nanmean(values) == 1.0
    found = score(*folder(alone))
    assert (found.counts["queries"], found.counts["lone_images"]) == (2, 8)


def test_more_5_ties_are_broken_by_chance_not_by_place():
    """Sorted by place, a mate before its rival is found and one behind it is not."""
    vectors = on_a_circle(0, 10, 10)
    query = Side(vectors[:1], np.array([0]), np.array([0]))
    for labels in ([0, 1], [1, 0]):
        found = first_hits(query, Side(vectors[1:], np.array(labels), np.array([1, 2])), WALK)
        assert recall_at_k(found, 1).tolist() == [0.5]


def test_more_6_values_are_fractions():
    found = score(*folder(catalogue(noise=0.01)))
    assert found.table["r@1"].max() == found.table["map@r"].max() == 1.0


def test_more_7_a_query_is_left_out_of_its_gallery_by_id_alone():
    """The same vectors under other ids are other images: then each query finds its copy."""
    side = catalogue(noise=4.0)
    other = replace(side, ids=side.ids + 1000)
    assert r1(side, replace(side, ids=side.ids.copy())) == r1(side, side) < 1
    assert r1(side, other) == 1
    hidden = Judgement(np.array([1]), np.array([0]))
    (found,) = judged_rankings(side.vectors[:1], [side.vectors], [[hidden]], WALK)
    assert integers.as_groups(found) == [integers.of_classes(side, side)[0]]
