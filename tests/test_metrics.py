"""bench.metrics: equal to the slow definitions, averaged over every order of every tie."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.average_precision import (
    average_precision,
    average_precision_at_r,
    average_precision_trapezoid,
    r_precision,
)
from bench.metrics.rankings import FirstHits, joined
from bench.metrics.recall import (
    optimistic_recall_at_k,
    pessimistic_recall_at_k,
    recall_at_k,
    reciprocal_rank,
)
from bench.metrics.revisited import precision_at_k_revisited
from registry.errors import UsageError
from tests import integers, oracles

OF_RANKINGS = {
    "average precision": (average_precision, oracles.average_precision),
    "average precision at R": (average_precision_at_r, oracles.map_at_r_term),
    "average precision by trapezoids": (average_precision_trapezoid, oracles.revisited_ap),
    "R-precision": (r_precision, oracles.r_precision),
    "reciprocal rank": (lambda found: reciprocal_rank(found.first()), oracles.reciprocal_rank),
}
WITH_K = {
    "R@K": (lambda found, k: recall_at_k(found.first(), k), oracles.hit_at_k),
    "mP@k": (precision_at_k_revisited, oracles.revisited_precision),
}
RECALLS = (recall_at_k, optimistic_recall_at_k, pessimistic_recall_at_k)


@st.composite
def cases(draw, most=7, levels=4):
    """A query's similarities with many ties, its relevant and its excluded images."""
    n = draw(st.integers(1, most))
    values = draw(st.lists(st.integers(0, levels - 1), min_size=n, max_size=n))
    grades = draw(st.lists(st.sampled_from("rrnnx"), min_size=n, max_size=n))
    return values, *([i for i in range(n) if grades[i] == grade] for grade in "rx")


def with_positives(case):
    return len(case[1]) > 0


def ranking(*several):
    """Rankings of queries, each given by its similarities, relevant and excluded images."""
    return integers.as_rankings([integers.groups(*case) for case in several])


def value(metric, case, *k):
    """A metric of one query."""
    (found,) = metric(ranking(case), *k)
    return float(found)


# --- The expected value over random orders of ties ---


@pytest.mark.parametrize("name", OF_RANKINGS)
@given(case=cases().filter(with_positives))
def test_a_metric_is_the_mean_over_all_orders_of_ties(name, case):
    metric, slow = OF_RANKINGS[name]
    assert value(metric, case) == pytest.approx(oracles.expected(slow, *case), abs=1e-12)


@pytest.mark.parametrize("name", WITH_K)
@given(case=cases().filter(with_positives), k=st.integers(1, 9))
def test_a_metric_at_k_is_the_mean_over_all_orders_of_ties(name, case, k):
    metric, slow = WITH_K[name]
    expected = oracles.expected(lambda order: slow(order, k), *case)
    assert value(metric, case, k) == pytest.approx(expected, abs=1e-12)


@given(cases().filter(with_positives), st.integers(1, 9))
def test_bounds_are_the_best_and_the_worst_order_of_ties(case, k):
    hits = [oracles.hit_at_k(order, k) for order in oracles.all_orders(*case)]
    first = ranking(case).first()
    assert optimistic_recall_at_k(first, k) == max(hits)
    assert pessimistic_recall_at_k(first, k) == min(hits)


@given(st.lists(cases(), min_size=1, max_size=5), st.integers(1, 6))
def test_queries_do_not_touch_each_other_and_empty_ones_are_nan(several, k):
    together = ranking(*several)
    for metric, _ in OF_RANKINGS.values():
        apart = np.concatenate([metric(ranking(case)) for case in several])
        np.testing.assert_array_equal(metric(together), apart)
        assert np.isnan(apart).tolist() == [not with_positives(case) for case in several]
    for metric, _ in WITH_K.values():
        apart = np.concatenate([metric(ranking(case), k) for case in several])
        np.testing.assert_array_equal(metric(together, k), apart)
        assert np.isnan(apart).tolist() == [not with_positives(case) for case in several]


@given(st.lists(cases(), min_size=1, max_size=5))
def test_rankings_joined_are_those_of_all_queries(several):
    found = joined([ranking(case) for case in several])
    for name, mine in vars(ranking(*several)).items():
        np.testing.assert_array_equal(getattr(found, name), mine)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_gallery_does_not_matter(case, random):
    places = list(range(len(case[0])))
    random.shuffle(places)
    values = [case[0][place] for place in places]
    moved = [[places.index(i) for i in chosen] for chosen in case[1:]]
    assert integers.groups(values, *moved) == integers.groups(*case)


@given(cases())
def test_what_rankings_say_of_themselves_is_what_they_hold(case):
    found = ranking(case)
    values, relevant, excluded = case
    bad = {value for i, value in enumerate(values) if i not in {*relevant, *excluded}}
    assert len(found) == 1
    assert found.n_positives.tolist() == [len(relevant)]
    assert found.tied.tolist() == [any(values[i] in bad for i in relevant)]
    assert found.size.tolist() == [n + t for n, t in zip(found.positives, found.negatives_tied)]  # noqa: B905
    for place, group in enumerate(integers.groups(*case)):
        assert found.positives_before[place] == sum(found.positives[:place])
        assert found.start[place] == group[2] + sum(found.positives[:place])
    assert found.first().answerable.tolist() == [with_positives(case)]


# --- Recall@K ---


def firsts():
    """First groups of some queries: relevant, tied, above; many with nothing relevant."""
    group = st.tuples(st.integers(0, 40), st.integers(0, 60), st.integers(0, 30))
    answerable = group.map(lambda one: one if one[0] else (0, 0, 0))
    return st.lists(answerable, min_size=1, max_size=8).map(
        lambda groups: FirstHits(*np.array(groups, dtype=np.int64).T)
    )


@settings(max_examples=1000)
@given(firsts(), st.integers(1, 200))
def test_recall_is_the_exact_fraction_and_lies_between_its_bounds(first, k):
    found, best, worst = (recall(first, k) for recall in RECALLS)
    for query, (n, t, above) in enumerate(zip(*vars(first).values(), strict=True)):
        if n == 0:
            assert np.isnan([found[query], best[query], worst[query]]).all()
            continue
        n, t, m = int(n), int(t), min(max(int(k - above), 0), int(n + t))
        exact = 1 - Fraction(math.comb(t, m), math.comb(n + t, m))
        assert found[query] == pytest.approx(float(exact), abs=1e-12)
        assert 0 <= worst[query] <= found[query] <= best[query] <= 1
        assert t > 0 or worst[query] == found[query] == best[query]
        assert found[query] > worst[query] or best[query] == worst[query]


@given(firsts())
def test_recall_grows_with_k_and_ends_at_one(first):
    for metric in RECALLS:
        values = np.array([metric(first, k) for k in range(1, 131)])[:, first.positives > 0]
        assert (np.diff(values, axis=0) >= -1e-15).all()
        assert (values[-1] == 1).all()


@given(firsts())
def test_the_reciprocal_rank_is_the_sum_of_the_steps_of_recall(first):
    """Rank r is the first hit with the chance by which R@r exceeds R@(r - 1)."""
    recalls = np.array(
        [np.zeros(len(first.positives))] + [recall_at_k(first, k) for k in range(1, 132)]
    )
    summed = (np.diff(recalls, axis=0) / np.arange(1, 132)[:, None]).sum(axis=0)
    np.testing.assert_allclose(reciprocal_rank(first), summed, atol=1e-12)


@given(cases(most=30, levels=10**6).filter(with_positives))
def test_average_precision_is_scikit_learns_without_ties(case):
    metrics = pytest.importorskip("sklearn.metrics")
    values, relevant, excluded = case
    values = [value + i / 64 for i, value in enumerate(values)]  # no ties
    kept = [i for i in range(len(values)) if i not in excluded]
    theirs = metrics.average_precision_score(
        [i in relevant for i in kept], [values[i] for i in kept]
    )
    assert value(average_precision, (values, relevant, excluded)) == pytest.approx(
        theirs, abs=1e-12
    )


# --- Rules and hand-worked cases ---


@pytest.mark.parametrize("k", [0, -1, -(10**9)])
def test_k_below_one_is_an_error(k):
    found = ranking(([1, 0], [0], []))
    for metric in RECALLS:
        with pytest.raises(UsageError, match=rf"K = {k}: .* 1 or more"):
            metric(found.first(), k)
    with pytest.raises(UsageError, match=rf"K = {k}: .* 1 or more"):
        precision_at_k_revisited(found, k)


@pytest.mark.parametrize("nothing", [[], [0, 1, 2]])
def test_a_query_without_relevant_images_is_nan_everywhere(nothing):
    """Nothing is judged relevant, or all that is was excluded."""
    case = [0, 0, 0], nothing, nothing
    for metric, _ in OF_RANKINGS.values():
        assert math.isnan(value(metric, case))
    for metric, _ in WITH_K.values():
        assert math.isnan(value(metric, case, 5))
    for metric in RECALLS:
        assert np.isnan(metric(ranking(case).first(), 5)).all()


def test_no_queries_have_no_values():
    found = ranking()
    for metric, _ in OF_RANKINGS.values():
        assert metric(found).shape == (0,)
    for metric, _ in WITH_K.values():
        assert metric(found, 3).shape == (0,)


def test_a_gallery_smaller_than_k_is_all_found():
    found = ranking(([2, 1, 0], [2], []))
    for metric in RECALLS:
        assert [metric(found.first(), k)[0] for k in (1, 2, 3, 4, 10**9)] == [0, 0, 1, 1, 1]
    assert precision_at_k_revisited(found, 10**9) == 1 / 3


@pytest.mark.parametrize(("classes", "images"), [(50, 2), (10, 10), (2, 300)])
def test_a_collapsed_model_scores_chance(classes, images):
    n = classes * images - 1  # the query itself is out
    case = [0] * n, list(range(images - 1)), []
    first = ranking(case).first()
    for k in (1, 2, 10, 99):
        chance = 1 - Fraction(math.comb(n - images + 1, k), math.comb(n, k))
        assert float(recall_at_k(first, k)[0]) == pytest.approx(float(chance), abs=1e-12)
        assert optimistic_recall_at_k(first, k) == 1.0
        assert pessimistic_recall_at_k(first, k) == float(k > n - images + 1)
    assert value(r_precision, case) == pytest.approx((images - 1) / n)


def test_revisitop_hand_worked():
    """Relevant at ranks 0 and 2 of 4, junk at rank 1 removed: positions 0 and 1, AP = 1."""
    case = [9, 8, 7, 1], [0, 2], [1]
    assert value(average_precision_trapezoid, case) == 1.0
    assert value(precision_at_k_revisited, case, 10) == 1.0  # cut at the last relevant rank


@pytest.mark.parametrize(
    ("relevance", "trapezoid", "precisions"),
    [
        ("1", 1, (1, 1, 1)),
        ("01", 1 / 4, (0, 1 / 2, 1 / 2)),
        ("001", 1 / 6, (0, 1 / 3, 1 / 3)),
        ("101", (1 + (1 / 2 + 2 / 3) / 2) / 2, (1, 2 / 3, 2 / 3)),
        ("0110", ((0 + 1 / 2) / 2 + (1 / 2 + 2 / 3) / 2) / 2, (0, 2 / 3, 2 / 3)),
        ("1" * 7, 1, (1, 1, 1)),
        ("1" + "0" * 9 + "1", (1 + (1 / 10 + 2 / 11) / 2) / 2, (1, 1 / 5, 1 / 10)),
        ("0" * 12 + "1", 1 / 26, (0, 0, 0)),
    ],
)
def test_revisitop_hand_worked_without_ties(relevance, trapezoid, precisions):
    n = len(relevance)
    case = list(range(n, 0, -1)), [i for i in range(n) if relevance[i] == "1"], []
    assert value(average_precision_trapezoid, case) == pytest.approx(trapezoid, abs=1e-15)
    for k, precision in zip((1, 5, 10), precisions, strict=True):
        assert value(precision_at_k_revisited, case, k) == pytest.approx(precision, abs=1e-15)


def test_average_precisions_differ_on_one_ranking():
    """Relevant at ranks 2 and 4 of 5: each definition by hand."""
    case = [5, 4, 3, 2, 1], [1, 3], []
    assert value(average_precision, case) == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert value(average_precision_at_r, case) == pytest.approx((1 / 2) / 2)
    assert value(r_precision, case) == 1 / 2
    assert value(average_precision_trapezoid, case) == pytest.approx(
        (1 / 4 + (1 / 3 + 1 / 2) / 2) / 2
    )
    assert value(OF_RANKINGS["reciprocal rank"][0], case) == 1 / 2


# --- Huge ties ---


def of_one_tie(n, tied, above):
    """A query whose relevant images are all tied with others, below some."""
    return integers.as_rankings([[[n, tied, above]]])


HUGE = [
    (n, size - n, above) for size in (60_000, 10**6) for n, above in ((1, 0), (30, 5), (29_000, 1))
]


@pytest.mark.parametrize(("n", "tied", "above"), HUGE)
def test_average_precisions_of_huge_ties_are_direct_sums(n, tied, above):
    found, size = of_one_tie(n, tied, above), n + tied
    offsets = np.arange(size)
    before = offsets * ((n - 1) / (size - 1))  # relevant images expected above each
    ranks = above + 1 + offsets
    right = (before + 1) / ranks
    left = np.where(ranks == 1, 1.0, before / np.maximum(ranks - 1, 1))
    assert average_precision(found) == pytest.approx(math.fsum(right) / size, abs=1e-9)
    assert average_precision_trapezoid(found) == pytest.approx(
        math.fsum((left + right) / 2) / size, abs=1e-9
    )
    assert average_precision_at_r(found) == pytest.approx(
        math.fsum(right[ranks <= n]) / size, abs=1e-9
    )
    assert r_precision(found) == pytest.approx(max(0, n - above) / size, abs=1e-9)


@pytest.mark.parametrize(("n", "tied", "above"), HUGE)
def test_recall_and_reciprocal_rank_of_huge_ties_are_direct_products(n, tied, above):
    first, size = of_one_tie(n, tied, above).first(), n + tied
    missed, reciprocal = 1.0, 0.0  # that none of the places so far shows a relevant image
    wanted = {1, 2, 10, 1000, 5000, size}
    for places in range(tied + 1):
        if above + places in wanted:
            assert recall_at_k(first, above + places) == pytest.approx(1 - missed, abs=1e-9)
        reciprocal += missed * n / (size - places) / (above + places + 1)
        missed *= (tied - places) / (size - places)
    assert reciprocal_rank(first) == pytest.approx(reciprocal, abs=1e-9)
    assert recall_at_k(first, above + tied + 1) == 1.0


@pytest.mark.parametrize(("n", "tied", "above"), HUGE)
@pytest.mark.parametrize("k", [1, 5, 10, 100])
def test_revisited_precision_of_huge_ties_is_nearly_the_chance(n, tied, above, k):
    """That all relevant images are among the first k of so many is as good as impossible."""
    places = max(0, k - above)
    plain = places * n / (n + tied) / k
    early = (
        1 / (n + tied) * sum(1 / (above + p) - 1 / k for p in range(1, places + 1)) if n == 1 else 0
    )
    found = of_one_tie(n, tied, above)
    assert precision_at_k_revisited(found, k) == pytest.approx(plain + early, abs=1e-9)


def test_a_million_tied_images_among_other_groups_keep_their_digits():
    """Groups above and below the huge one: 3 hits first, then the tie, then 2 at the very end."""
    found = integers.as_rankings([[[3, 0, 0], [7, 10**6 - 7, 2], [2, 0, 10**6 + 5]]])
    size, r = 10**6, 12
    ranks = 6 + np.arange(size)
    tied = 7 * math.fsum((4 + np.arange(size) * (6 / (size - 1))) / ranks) / size
    ends = 11 / (10**6 + 5 + 10 + 1) + 12 / (10**6 + 5 + 10 + 2)
    assert average_precision(found) == pytest.approx((3 + tied + ends) / r, abs=1e-9)
