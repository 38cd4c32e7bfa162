"""bench.delta: every convention against definitions written again, the slow way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.delta import similarities
from bench.delta.conventions import CONVENTIONS, DEFINITIONS, Convention
from bench.delta.inputs import Inputs, as_stored
from bench.delta.measure import Metric, applicable, measure, metrics_of
from bench.delta.rankings import Judged
from bench.delta.similarities import Stack, blocks
from bench.delta.splits import alternating, joined
from bench.delta.table import SPREAD, Line, make_delta_table
from registry.datasets import dataset_row
from registry.datasets.split import Graded, Split, labelled
from tests.oracles import (
    all_orders,
    expected,
    hit_at_k,
    map_at_r_term,
    revisited_ap,
    revisited_precision,
)

KS = (1, 2, 3, 5)


def judged(values, relevant, ignored=(), own=()):
    values = np.array(values, dtype=np.float32)
    places = [np.array(part, dtype=np.int64) for part in (relevant, ignored, own)]
    return Judged(values, values.astype(np.float16).astype(np.float32), *places)


def score(name, metric, query, k=0, measure="recall"):
    """One number as a row of the table makes it."""
    convention = CONVENTIONS[name]
    assert measure in convention.measures
    assert metric in convention.changes
    formula = (DEFINITIONS[measure] | convention.formulas)[metric]
    return formula(convention.order(query), k)


def random_queries(count, places=7, levels=3):
    """Few levels: many ties. Three kinds of places: relevant, ignored, the query itself."""
    rng = np.random.default_rng(5)
    for _ in range(count):
        values = rng.integers(0, levels, size=places) / 4
        order = rng.permutation(places)
        relevant = order[: rng.integers(1, places - 2)]
        rest = order[len(relevant) :]
        yield values, sorted(relevant), sorted(rest[1 : rng.integers(1, 3)]), [int(rest[0])]


def textbook_ap(relevance):
    ranks = [rank for rank, hit in enumerate(relevance, 1) if hit]
    return sum((n + 1) / rank for n, rank in enumerate(ranks)) / len(ranks)


def listed(values, relevant, left_out=()):
    """Relevance down a sort by value, then place."""
    places = [place for place in range(len(values)) if place not in set(left_out)]
    places.sort(key=lambda place: (-values[place], place))
    return [place in set(relevant) for place in places]


RECALLS = {
    "r@": lambda k: lambda relevance: hit_at_k(relevance, k),
    "map@r": lambda k: map_at_r_term,
    "map": lambda k: textbook_ap,
}
REVISITED = {
    "map": lambda k: revisited_ap,
    "mp@": lambda k: lambda relevance: revisited_precision(relevance, k),
}
BOTH = [("recall", RECALLS), ("revisited", REVISITED)]


@pytest.mark.parametrize(("measured", "definitions"), BOTH)
def test_ours_is_the_expected_value_over_all_orders(measured, definitions):
    for values, relevant, ignored, own in random_queries(40):
        query = judged(values, relevant, ignored, own)
        for metric, of in definitions.items():
            for k in KS:
                wanted = expected(of(k), values, relevant, [*ignored, *own])
                assert score("ours", metric, query, k, measured) == pytest.approx(wanted)


@pytest.mark.parametrize(("measured", "definitions"), BOTH)
@pytest.mark.parametrize(("name", "bound"), [("optimistic ties", max), ("pessimistic ties", min)])
def test_optimistic_and_pessimistic_ties_are_the_bounds(measured, definitions, name, bound):
    for values, relevant, ignored, own in random_queries(40):
        query = judged(values, relevant, ignored, own)
        for metric, of in definitions.items():
            for k in KS:
                orders = all_orders(values, relevant, [*ignored, *own])
                wanted = bound(of(k)(order) for order in orders)
                assert score(name, metric, query, k, measured) == pytest.approx(wanted)


@pytest.mark.parametrize(("measured", "definitions"), BOTH)
def test_ties_in_gallery_order(measured, definitions):
    for values, relevant, ignored, own in random_queries(40):
        query = judged(values, relevant, ignored, own)
        relevance = listed(values, relevant, [*ignored, *own])
        for metric, of in definitions.items():
            for k in KS:
                found = score("ties in gallery order", metric, query, k, measured)
                assert found == pytest.approx(of(k)(relevance))


def test_a_collapsed_model_is_perfect_only_for_optimists():
    query = judged([1.0] * 10, [7], own=[2])
    assert score("optimistic ties", "r@", query, 1) == 1
    assert score("pessimistic ties", "r@", query, 1) == 0
    assert score("ours", "r@", query, 1) == pytest.approx(1 / 9)


def test_drop_rank_0_drops_a_duplicate_that_comes_before_the_query():
    """The query at place 1, its relevant image at 3, an exact copy of another class at 0."""
    query = judged([1.0, 1.0, 0.5, 0.4], [3], own=[1])
    assert score("drop rank 0", "r@", query, 1) == 1  # the query finds itself
    assert score("ours", "r@", query, 1) == 0
    # the list is then self, negative, relevant: precisions 1 and 2/3 over the one relevant image
    assert score("drop rank 0", "map", query) == pytest.approx(1 + 2 / 3)
    assert score("drop rank 0", "map@r", query) == 1


def test_drop_rank_0_takes_a_duplicate_that_comes_after_for_the_nearest():
    query = judged([1.0, 1.0, 0.5, 0.4], [3], own=[0])
    assert score("drop rank 0", "r@", query, 1) == 0
    assert score("drop rank 0", "map", query) == pytest.approx(1 / 3)


def test_drop_rank_0_is_the_sorted_list_without_its_first():
    for values, relevant, _, own in random_queries(60):
        query = judged(values, relevant, own=own)
        relevance = listed(values, [*relevant, *own])[1:]
        r = len(relevant)
        hits = [sum(relevance[: i + 1]) / (i + 1) if hit else 0 for i, hit in enumerate(relevance)]
        for k in KS:
            assert score("drop rank 0", "r@", query, k) == hit_at_k(relevance, k)
        assert score("drop rank 0", "map", query) == pytest.approx(sum(hits) / r)
        assert score("drop rank 0", "map@r", query) == pytest.approx(sum(hits[:r]) / r)


def test_float16_ties_what_float32_tells_apart():
    query = judged([0.50001, 0.50002, 0.3], [1])
    assert score("ours", "r@", query, 1) == 1
    assert score("float16", "r@", query, 1) == 0  # the earlier place wins
    assert score("float16", "r@", judged([0.50002, 0.50001, 0.3], [1]), 1) == 0
    assert score("float16", "r@", judged([0.50001, 0.50002], [0]), 1) == 1


@pytest.mark.parametrize(("measured", "definitions"), BOTH)
def test_float16_leaves_out_what_ours_leaves_out(measured, definitions):
    for values, relevant, ignored, own in random_queries(40):
        query = judged(values, relevant, ignored, own)
        relevance = listed(values, relevant, [*ignored, *own])  # quarters are exact in float16
        for metric, of in definitions.items():
            found = score("float16", metric, query, 2, measured)
            assert found == pytest.approx(of(2)(relevance))


def test_similarities_are_rounded_to_float32_and_to_float16():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 5)).astype(np.float32)
    (block,) = blocks(Stack([vectors]), np.array([4, 1]), np.array([0, 2, 5]))
    for row, query in enumerate([4, 1]):
        for column, place in enumerate([0, 2, 5]):
            pairs = list(zip(vectors[query].tolist(), vectors[place].tolist(), strict=True))
            assert block.single[row, column] == np.float32(sum(a * b for a, b in pairs))
            half = sum(float(np.float16(a)) * float(np.float16(b)) for a, b in pairs)
            assert block.half[row, column] == np.float16(half)


def test_share_found_is_not_any_hit():
    for values, relevant, ignored, own in random_queries(40):
        query = judged(values, relevant, ignored, own)
        for k in KS:

            def share(relevance, k=k):
                return sum(relevance[:k]) / sum(relevance)

            wanted = expected(share, values, relevant, [*ignored, *own])
            assert score("R@K as a share", "r@", query, k) == pytest.approx(wanted)


def test_r_plus_one_looks_one_rank_further_and_can_never_be_perfect():
    def term(relevance):
        r = sum(relevance) + 1
        return (
            sum(sum(relevance[: i + 1]) / (i + 1) for i in range(r) if relevance[i : i + 1] == [1])
            / r
        )

    for values, relevant, ignored, own in random_queries(40):
        query = judged(values, relevant, ignored, own)
        wanted = expected(term, values, relevant, [*ignored, *own])
        assert score("R + 1", "map@r", query) == pytest.approx(wanted)
    perfect = judged([0.9, 0.8, 0.7, 0.6, 0.1], [0, 1, 2, 3])
    assert score("R + 1", "map@r", perfect) == pytest.approx(0.8)


def test_ap_over_hits_of_the_first_r():
    """Places: miss, hit, hit | hit. R = 3: precisions 1/2 and 2/3 over two hits, not over three."""
    query = judged([0.9, 0.8, 0.7, 0.6], [1, 2, 3])
    assert score("AP@R over hits", "map@r", query) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert score("ours", "map@r", query) == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert score("AP@R over hits", "map@r", judged([0.9, 0.8, 0.7], [2])) == 0


LONG = 3000


@pytest.fixture(scope="module")
def long_query():
    """Forty relevant images among three thousand, one in the first, the rest anywhere."""
    rng = np.random.default_rng(2)
    values = rng.permutation(LONG) / LONG
    relevant = sorted({int(np.argmax(values)), *rng.choice(LONG, 40, replace=False).tolist()})
    return judged(values, relevant), listed(values, relevant)


@pytest.mark.parametrize("cut", [2047, 1023])
def test_ap_cut_at_a_rank_is_over_all_relevant(long_query, cut):
    query, relevance = long_query
    r = sum(relevance)
    ranks = [rank for rank, hit in enumerate(relevance[:cut]) if hit]
    assert 1 < len(ranks) < r
    finite = sum((n + 1) / (rank + 1) for n, rank in enumerate(ranks)) / r
    above = sum(n / rank if rank else 1 for n, rank in enumerate(ranks)) / r
    assert score(f"AP@{cut}", "map", query) == pytest.approx(finite)
    trapezoid = score(f"AP@{cut}", "map", query, measure="revisited")
    assert trapezoid == pytest.approx((finite + above) / 2)
    over_hits = score(f"AP@{cut} over hits", "map", query)
    assert over_hits == pytest.approx(finite * r / len(ranks))


@pytest.mark.parametrize("cut", [2047, 1023])
def test_the_cut_counts_ranks_from_one(cut):
    """The only relevant image at rank cut is in, at the next it is out."""
    values = np.linspace(1, 0, LONG)
    for name in (f"AP@{cut}", f"AP@{cut} over hits"):
        assert score(name, "map", judged(values, [cut - 1])) > 0
        assert score(name, "map", judged(values, [cut])) == 0


def test_over_hits_breaks_ties_in_gallery_order():
    query = judged([0.5, 0.5, 0.5], [1])
    for name in ("AP@2047 over hits", "AP@1023 over hits"):
        assert score(name, "map", query) == pytest.approx(1 / 2)
    assert score("AP@R over hits", "map@r", query) == 0
    assert score("AP@R over hits", "map@r", judged([0.5, 0.5, 0.1], [0, 2])) == 1


def test_junk_as_negatives_pushes_relevant_images_down():
    for values, relevant, ignored, own in random_queries(40):
        query = judged(values, relevant, ignored, own)
        for metric, of in REVISITED.items():
            for k in KS:
                wanted = expected(of(k), values, relevant, own)
                found = score("junk as negatives", metric, query, k, "revisited")
                assert found == pytest.approx(wanted)


def test_finite_sum_ap_of_landmarks():
    query = judged([0.9, 0.8, 0.7, 0.6], [1, 3], ignored=[2])
    # without the junk: miss, hit, hit
    assert score("finite-sum AP", "map", query, 0, "revisited") == pytest.approx(
        (1 / 2 + 2 / 3) / 2
    )
    assert score("ours", "map", query, 0, "revisited") == pytest.approx(
        ((0 + 1 / 2) / 2 + (1 / 2 + 2 / 3) / 2) / 2
    )


def test_textbook_precision_is_over_k():
    query = judged([0.9, 0.8, 0.7], [0, 1])
    assert score("textbook P@k", "mp@", query, 10, "revisited") == pytest.approx(2 / 10)
    assert score("ours", "mp@", query, 10, "revisited") == 1
    for values, relevant, ignored, own in random_queries(20):
        wanted = expected(lambda found: sum(found[:3]) / 3, values, relevant, [*ignored, *own])
        found = score("textbook P@k", "mp@", judged(values, relevant, ignored, own), 3, "revisited")
        assert found == pytest.approx(wanted)


# whole splits


def unit_vectors(count, dims=6, seed=1):
    vectors = np.random.default_rng(seed).normal(size=(count, dims))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def images(labels):
    return labelled(Path(), [f"{n}.jpg" for n in range(len(labels))], [f"c{n}" for n in labels])


LABELS = [0, 0, 0, 1, 1, 2, 0, 1, 3, 4, 4, 4]
"""Classes 2 and 3 have one image."""
LEAVE_ONE_OUT = Split(None, images(LABELS), np.arange(12), np.arange(12))
SOP = dataset_row("twin-sop")
ROXFORD = dataset_row("twin-roxford")


def with_duplicates(vectors):
    """Images 3 and 5 are copies of 0 and 8, all of other classes."""
    vectors[3], vectors[5] = vectors[0], vectors[8]
    return vectors


def mean_of(row, split, vectors, names, parts=1):
    stack = Stack(np.array_split(vectors, parts))
    return measure(row, Inputs(split, stack), [CONVENTIONS[name] for name in names], lambda n: None)


def brute_recall(vectors, metric):
    """Mean over queries with company, expected over ties."""
    values = (vectors.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    found = []
    for query, label in enumerate(LABELS):
        relevant = [i for i, other in enumerate(LABELS) if other == label and i != query]
        if relevant:
            found.append(expected(metric, values[query], relevant, [query]))
    return np.mean(found)


def test_a_split_is_scored_query_by_query():
    vectors = with_duplicates(unit_vectors(12))
    found = mean_of(SOP, LEAVE_ONE_OUT, vectors, ["ours"])["ours"]
    assert list(found) == ["r@1", "r@10", "r@100", "r@1000", "map@r", "map"]
    assert found["r@1"] == pytest.approx(brute_recall(vectors, lambda r: hit_at_k(r, 1)))
    assert found["map@r"] == pytest.approx(brute_recall(vectors, map_at_r_term))
    assert found["map"] == pytest.approx(brute_recall(vectors, textbook_ap))


def test_lone_queries_count_zero_or_one_or_not():
    names = ["ours", "empty queries as 0", "empty queries as 1"]
    found = mean_of(SOP, LEAVE_ONE_OUT, unit_vectors(12), names)
    for metric, ours in found["ours"].items():
        assert found["empty queries as 0"][metric] == pytest.approx(10 * ours / 12)
        assert found["empty queries as 1"][metric] == pytest.approx((10 * ours + 2) / 12)


def test_neither_blocks_nor_files_change_a_number(monkeypatch):
    vectors = with_duplicates(unit_vectors(12))
    names = [row.name for row in CONVENTIONS.values() if "recall" in row.measures]
    whole = mean_of(SOP, LEAVE_ONE_OUT, vectors, names)
    monkeypatch.setattr(similarities, "BLOCK_BYTES", 8 * 12 * 5)
    monkeypatch.setattr(similarities, "CHUNK_BYTES", 8 * 6 * 4)
    assert len(list(blocks(Stack([vectors]), np.arange(12), np.arange(12)))) == 3
    assert mean_of(SOP, LEAVE_ONE_OUT, vectors, names, parts=3) == whole


def test_conventions_scored_together_are_scored_as_each_alone():
    vectors = with_duplicates(unit_vectors(12))
    vectors[8:10] = vectors[0]
    for row, split in ((SOP, LEAVE_ONE_OUT), (ROXFORD, LANDMARKS)):
        names = [convention.name for convention in applicable(CONVENTIONS.values(), row, split)]
        together = mean_of(row, split, vectors, names)
        alone = {name: mean_of(row, split, vectors, [name])[name] for name in names}
        assert together == alone


def test_a_query_that_is_in_the_gallery_elsewhere_is_left_out_there():
    """The gallery in another order than the images; one query is not in it."""
    gallery = np.array([7, 4, 3, 0, 2, 1])
    split = replace(LEAVE_ONE_OUT, queries=np.array([0, 6]), gallery=gallery)
    vectors = unit_vectors(12)
    values = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    terms = []
    for query in (0, 6):
        ranked = sorted(set(gallery.tolist()) - {query}, key=lambda i: -values[query][i])
        terms.append(textbook_ap([LABELS[i] == 0 for i in ranked]))
    assert mean_of(SOP, split, vectors, ["ours"])["ours"]["map"] == pytest.approx(np.mean(terms))


GRADED = {
    0: Graded(np.array([2, 3]), np.array([4]), np.array([5])),
    1: Graded(np.array([], dtype=int), np.array([6, 7]), np.array([2, 8])),
}
LANDMARKS = Split(
    None, images([0] * 12), np.array([0, 1]), np.arange(2, 12), {k: GRADED[k] for k in GRADED}
)
SETUPS = {
    "easy": lambda g: (g.easy, [*g.junk, *g.hard]),
    "medium": lambda g: ([*g.easy, *g.hard], [*g.junk]),
    "hard": lambda g: (g.hard, [*g.junk, *g.easy]),
}


@pytest.mark.parametrize("junk_counts", [False, True])
def test_landmarks_are_scored_setup_by_setup(junk_counts):
    vectors = unit_vectors(12)
    name = "junk as negatives" if junk_counts else "ours"
    found = mean_of(ROXFORD, LANDMARKS, vectors, [name])[name]
    values = (vectors.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    for setup, parts in SETUPS.items():
        aps, precisions = [], []
        for query, truth in GRADED.items():
            wanted, ignored = parts(truth)
            left_out = [0, 1] if junk_counts else [0, 1, *ignored]
            if len(wanted):
                aps.append(revisited_ap(listed(values[query], wanted, left_out)))
                ranked = listed(values[query], wanted, left_out)
                precisions.append(revisited_precision(ranked, 10))
        assert found[f"map_{setup}"] == pytest.approx(np.mean(aps))
        assert found[f"mp@10_{setup}"] == pytest.approx(np.mean(precisions))


def test_empty_setups_count_zero_or_one_or_not():
    names = ["ours", "empty queries as 0", "empty queries as 1"]
    found = mean_of(ROXFORD, LANDMARKS, unit_vectors(12), names)
    easy = found["ours"]["map_easy"]
    assert found["empty queries as 0"]["map_easy"] == pytest.approx(easy / 2)
    assert found["empty queries as 1"]["map_easy"] == pytest.approx((easy + 1) / 2)
    assert found["empty queries as 1"]["map_hard"] == found["ours"]["map_hard"]


def test_a_setup_without_any_query_has_no_number():
    split = replace(LANDMARKS, queries=np.array([1]))
    assert np.isnan(mean_of(ROXFORD, split, unit_vectors(12), ["ours"])["ours"]["map_easy"])


def test_what_needs_the_query_in_the_gallery_is_left_out_elsewhere():
    apart = replace(LEAVE_ONE_OUT, queries=np.arange(4), gallery=np.arange(4, 12))
    inside = {row.name for row in applicable(CONVENTIONS.values(), SOP, LEAVE_ONE_OUT)}
    outside = {row.name for row in applicable(CONVENTIONS.values(), SOP, apart)}
    assert inside - outside == {"drop rank 0", "R + 1"}
    landmarks = {row.name for row in applicable(CONVENTIONS.values(), ROXFORD, LANDMARKS)}
    assert "junk as negatives" in landmarks - inside
    assert "drop rank 0" not in landmarks


def test_columns_are_the_rows_own():
    assert [metric.name for metric in metrics_of(dataset_row("twin-cub"))] == [
        "r@1",
        "r@2",
        "r@4",
        "r@8",
        "map@r",
        "map",
    ]
    assert [metric.name for metric in metrics_of(ROXFORD)] == [
        *("map_easy", "map_medium", "map_hard"),
        *("mp@10_easy", "mp@10_medium", "mp@10_hard"),
    ]


def test_the_first_row_is_ours_and_every_row_says_who_does_it():
    assert next(iter(CONVENTIONS)) == "ours"
    for row in CONVENTIONS.values():
        assert row.who
        assert set(row.formulas) <= set(row.changes), row.name
        families = {family for name in row.measures for family in DEFINITIONS[name]}
        assert set(row.changes) & families, row.name
        changed = row.inputs != as_stored or row.order != CONVENTIONS["ours"].order
        assert row.name == "ours" or changed or row.formulas or not np.isnan(row.empty)


# unofficial splits


def test_every_other_image_of_a_class_asks():
    labels = np.array([3, 1, 3, 1, 1, 3, 3, 2])
    assert alternating(labels).tolist() == [True, True, False, False, True, True, False, True]


def test_training_images_join_the_gallery_with_classes_of_their_own():
    train = labelled(Path(), ["a.jpg", "b.jpg", "c.jpg"], ["new", "c1", "new"])
    both = joined(LEAVE_ONE_OUT, train)
    assert both.evaluated.labels.tolist() == [*LABELS, 5, 1, 5]
    assert both.gallery.tolist() == list(range(15))
    assert both.queries.tolist() == list(range(12))
    assert len(both.evaluated) == 15


# the table


def line(name, **scored):
    row = Convention(name=name, meaning="m", who="w")
    return Line(row, scored or None, "" if scored else "gone")


METRICS = [Metric("map", setup="easy"), Metric("mp@", 10, "easy")]


def made(*lines):
    return make_delta_table(lines, METRICS, ["a note"], twin=True)


def test_cells_say_value_difference_or_why_there_is_none():
    table = made(
        line("ours", map_easy=0.5, **{"mp@10_easy": 0.25}),
        line("same", map_easy=0.5),
        line("higher", map_easy=0.53210, **{"mp@10_easy": 0.15}),
        line("missing"),
    )
    assert table.headers == ["convention", "mAP E", "mP@10 E", "who"]
    assert table.body == [
        ["ours", "50.00", "25.00", "w"],
        ["same", "50.00 (=)", "-", "w"],
        ["higher", "53.21 (+3.21)", "15.00 (-10.00)", "w"],
        ["missing", "--", "--", "w"],
        [SPREAD, "3.21", "10.00", "largest - smallest, in points"],
    ]
    assert any(note.startswith("twin") for note in table.notes)
    assert "a note" in table.notes
    assert "-- missing: gone" in table.notes
    assert table.marks == ["", "", "", "gone", ""]


def test_numbers_are_unrounded_with_the_difference_beside():
    numbers = made(
        line("ours", map_easy=0.5, **{"mp@10_easy": 0.25}), line("x", map_easy=0.4)
    ).numbers
    assert list(numbers.columns) == [
        *("convention", "mAP E", "mP@10 E", "mAP E - ours", "mP@10 E - ours", "who")
    ]
    wanted = pd.DataFrame(
        [[50.0, 25.0, 0.0, 0.0], [40.0, 25.0, -10.0, 0.0], [10.0, 0.0, np.nan, np.nan]]
    )
    np.testing.assert_allclose(numbers.iloc[:, 1:5].astype(float), wanted)


def test_an_empty_metric_of_ours_is_no_difference():
    table = made(
        line("ours", map_easy=np.nan, **{"mp@10_easy": 0.5}),
        line("as 0", map_easy=0.0, **{"mp@10_easy": 0.5}),
    )
    assert [row[1] for row in table.body] == ["--", "0.00 (new)", "0.00"]
