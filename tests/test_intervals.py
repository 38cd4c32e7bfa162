"""results.stats.intervals: against scipy, a slow bootstrap of whole classes, and simulation."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from results.stats import intervals
from results.stats.intervals import Interval, bootstrap, interval_of, resampled_means, wilson
from tests.made_outcomes import differing, drawn_recalls, made

EVERYTHING = Interval(float("-inf"), float("inf"))


def ends(interval):
    return interval.low, interval.high


def close(interval, wanted, **tolerance):
    return ends(interval) == pytest.approx(ends(wanted), **tolerance)


def ratio_of_sums(sums, sizes, axis=-1):
    return sums.sum(axis=axis) / sizes.sum(axis=axis)


def scipys(outcomes, method, level, means):
    """scipy's interval of the same resamples: classes as pairs of a sum and a size."""
    return stats.bootstrap(
        (outcomes.sums(), outcomes.sizes()),
        ratio_of_sums,
        paired=True,
        n_resamples=0,
        method=method,
        confidence_level=level,
        bootstrap_result=SimpleNamespace(bootstrap_distribution=means),
    ).confidence_interval


def slow_bootstrap(outcomes, level, resamples, seed):
    """BCa as Efron and Tibshirani write it, from lists of queries; with the same draws."""
    classes = [outcomes.per_query[outcomes.unit_of == u] for u in range(len(outcomes.units))]

    def mean(which):
        return np.mean([value for u in which for value in classes[u]])

    drawn = np.random.default_rng(seed).integers(
        len(classes), size=(resamples, len(classes)), dtype=np.int32
    )
    means = [mean(row) for row in drawn]
    observed = mean(range(len(classes)))
    equal = sum(np.isclose(one, observed, rtol=0, atol=1e-13) for one in means)
    less = sum(one < observed - 1e-13 for one in means)
    bias = stats.norm.ppf((less + equal / 2) / resamples)
    left_out = [mean([u for u in range(len(classes)) if u != out]) for out in range(len(classes))]
    distances = [np.mean(left_out) - one for one in left_out]
    spread = sum(d**2 for d in distances)
    acceleration = sum(d**3 for d in distances) / (6 * spread**1.5) if spread > 1e-20 else 0.0
    found = []
    for side in ((1 - level) / 2, (1 + level) / 2):
        z = bias + stats.norm.ppf(side)
        found.append(np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z))))
    return Interval(*found)


@given(st.data(), st.integers(1, 100_000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(max_examples=60)
def test_wilsons_is_scipys(data, n, level):
    k = data.draw(st.integers(0, n) | st.sampled_from([0, n]))
    wanted = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    found = wilson(k / n, n, level=level)
    assert close(found, wanted, rel=1e-9, abs=1e-12)
    assert 0 <= found.low <= k / n <= found.high <= 1


@pytest.mark.parametrize("n", range(1, 60))
def test_wilsons_of_none_and_all_ends_there(n):
    assert wilson(1.0, n).high == 1.0
    assert wilson(0.0, n).low == 0.0
    assert not wilson(1.0, n).excludes(1.0)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("units", [3, 12, 80])
def test_of_the_same_resamples_it_is_scipys(units, level):
    """BCa of classes of unequal sizes, whose mean is a ratio of two sums."""
    for seed in range(5):
        outcomes = drawn_recalls(np.random.default_rng(seed), units)
        means = resampled_means(outcomes.sums(), outcomes.sizes(), 999, seed)
        found = bootstrap(outcomes, level=level, resamples=999, seed=seed)
        assert close(found, scipys(outcomes, "BCa", level, means), abs=1e-12)


def test_bias_and_acceleration_are_part_of_it():
    """What percentile and basic bootstraps say of these is something else."""
    outcomes = made([0.0] * 3 + [1.0] * 37 + [0.1] * 2)
    means = resampled_means(outcomes.sums(), outcomes.sizes(), 999, 0)
    found = bootstrap(outcomes, resamples=999, seed=0)
    for method in ("percentile", "basic"):
        assert not close(found, scipys(outcomes, method, 0.95, means), abs=0.01)


def test_of_other_resamples_it_is_scipys_but_for_chance():
    """Queries as units; each end's error over draws is measured, not guessed."""
    outcomes = made(np.random.default_rng(0).beta(0.6, 0.3, 70))
    wanted = stats.bootstrap(
        (outcomes.per_query,),
        np.mean,
        n_resamples=4000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = np.array([ends(bootstrap(outcomes, resamples=4000, seed=seed)) for seed in range(20)])
    assert (np.abs(ours - wanted) < 5 * ours.std(axis=0, ddof=1)).all()
    width = wanted.high - wanted.low
    assert np.abs(ours.mean(axis=0) - wanted).max() < 0.03 * width


@given(differing(), st.sampled_from([0.8, 0.95]), st.integers(0, 3))
@settings(max_examples=40)
def test_it_is_the_slow_one(outcomes, level, seed):
    if len(outcomes.units) < 2:
        return
    found = bootstrap(outcomes, level=level, resamples=60, seed=seed)
    wanted = slow_bootstrap(outcomes, level, 60, seed)
    if np.isfinite(ends(wanted)).all():
        assert close(found, wanted, abs=1e-9)


@given(differing(), st.floats(-2, 2), st.sampled_from([0.1, 1 / 3, 3.0, 7.7]))
@settings(max_examples=60)
def test_it_moves_and_grows_with_the_outcomes(outcomes, shift, scale):
    moved = made(shift + scale * outcomes.per_query, outcomes.unit_of)
    low, high = ends(bootstrap(outcomes, resamples=100))
    wanted = Interval(shift + scale * low, shift + scale * high)
    assert close(bootstrap(moved, resamples=100), wanted, abs=1e-9)


@given(differing())
@settings(max_examples=60)
def test_of_the_reverse_difference_it_is_the_reverse(outcomes):
    low, high = ends(bootstrap(outcomes, resamples=100))
    turned = bootstrap(made(-outcomes.per_query, outcomes.unit_of), resamples=100)
    assert close(turned, Interval(-high, -low), abs=1e-9)


@given(differing(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_which_query_of_a_class_has_which_outcome_does_not_matter(outcomes, random):
    values = outcomes.per_query.copy()
    for unit in range(len(outcomes.units)):
        own = np.flatnonzero(outcomes.unit_of == unit).tolist()
        values[own] = values[random.sample(own, len(own))]
    other = made(values, outcomes.unit_of)
    assert close(bootstrap(other, resamples=100), bootstrap(outcomes, resamples=100), abs=1e-12)


def test_resamples_draw_as_many_units_as_there_are_with_replacement():
    """Powers of two tell from a sum which were drawn how often, below sixteen times."""
    units = 5
    sums = 16.0 ** np.arange(units)
    drawn = units * resampled_means(sums, np.ones(units), 3000, 0)
    counts = np.stack([(drawn.round().astype(np.int64) >> (4 * u)) % 16 for u in range(units)])
    assert (counts.sum(axis=0) == units).all()
    for times in range(4):
        share = (counts == times).mean(axis=1)
        assert share == pytest.approx(stats.binom.pmf(times, units, 1 / units), abs=0.04)


def test_how_many_are_drawn_at_once_does_not_matter(monkeypatch):
    outcomes = drawn_recalls(np.random.default_rng(0), 9)
    at_once = bootstrap(outcomes, resamples=101)
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 9 * 7)
    assert bootstrap(outcomes, resamples=101) == at_once
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 1)
    assert bootstrap(outcomes, resamples=101) == at_once


def test_equal_cells_are_drawn_alike():
    """So that intervals of cells of one dataset differ by the cells alone."""
    outcomes = drawn_recalls(np.random.default_rng(0), 20)
    assert bootstrap(outcomes) == bootstrap(outcomes)
    assert bootstrap(outcomes, seed=1) != bootstrap(outcomes)


@pytest.mark.parametrize("values", [[1, 2, 4], [3, 6, 11, 12], [-3, 1, 2, 7]])
def test_the_observed_units_drawn_in_another_order_are_no_bias(values):
    """Tenths of whole numbers, whose sums depend on the order: 2/9 of the draws of three units."""
    for seed in range(20):
        low, high = ends(bootstrap(made(values), resamples=200, seed=seed))
        tenths = bootstrap(made(np.array(values) / 10), resamples=200, seed=seed)
        assert close(tenths, Interval(low / 10, high / 10), abs=1e-9)


def test_classes_cover_and_single_queries_do_not():
    """250 datasets of 60 classes whose true mean recall is 0.8: of 95 % intervals, 95 % hold it."""
    draw = np.random.default_rng(7)
    covered = {"classes": 0, "queries": 0}
    for _ in range(250):
        outcomes = drawn_recalls(draw, 60)
        alone = made(outcomes.per_query)
        covered["classes"] += not bootstrap(outcomes, resamples=400).excludes(0.8)
        covered["queries"] += not bootstrap(alone, resamples=100).excludes(0.8)
    assert 0.90 < covered["classes"] / 250 < 0.985
    assert covered["queries"] / 250 < 0.7


def test_where_all_queries_agree_it_is_wilsons_over_units():
    hits = made(np.ones(12), np.arange(12) // 4)
    assert interval_of(hits) == wilson(1.0, 3)
    assert interval_of(made(np.zeros(12))) == wilson(0.0, 12)
    assert interval_of(hits, "wilson") == wilson(1.0, 12)
    assert bootstrap(hits) == Interval(1.0, 1.0)


def test_otherwise_it_is_what_is_asked_for():
    outcomes = drawn_recalls(np.random.default_rng(0), 20)
    assert interval_of(outcomes) == bootstrap(outcomes)
    assert interval_of(outcomes, level=0.5) == bootstrap(outcomes, level=0.5)
    wanted = wilson(outcomes.mean, len(outcomes.per_query), level=0.5)
    assert interval_of(outcomes, "wilson", level=0.5) == wanted


def test_one_unit_tells_nothing_of_others():
    for outcomes in (made([0.25]), made([1.0, 0.0, 1.0], [0, 0, 0])):
        assert bootstrap(outcomes) == EVERYTHING
        assert not bootstrap(outcomes).excludes(0.0)
        found = interval_of(outcomes)
        assert found == wilson(outcomes.mean, 1)
        assert found.high - found.low > 0.7


def test_two_queries_give_no_more_than_their_own_range():
    assert close(bootstrap(made([0.25, 0.75])), Interval(0.25, 0.75))
    assert bootstrap(made([0.5, 0.5])) == Interval(0.5, 0.5)


@given(differing())
@settings(max_examples=60)
def test_more_confidence_is_no_narrower(outcomes):
    narrow, wide = (bootstrap(outcomes, level=level, resamples=200) for level in (0.8, 0.95))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_an_interval_excludes_what_lies_outside():
    interval = Interval(-0.5, 0.25)
    assert not any(interval.excludes(value) for value in (-0.5, 0, 0.25))
    assert interval.excludes(-0.51)
    assert interval.excludes(0.26)
