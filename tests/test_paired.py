"""results.stats.paired: against enumeration, scipy, a least-squares sandwich, and simulation."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from results.stats import paired
from results.stats.paired import (
    FLIPS,
    Wins,
    mcnemar,
    minimum_detectable,
    sign_flip,
    standard_error,
    wins,
)
from tests.made_outcomes import differing, drawn_differences, made


def enumerated(outcomes):
    """Share of all flips of whole classes whose total is as far from 0, in whole quarters."""
    quarters = np.round(4 * outcomes.sums()).astype(int).tolist()
    totals = [
        abs(sum(sign * total for sign, total in zip(signs, quarters, strict=True)))
        for signs in product((1, -1), repeat=len(quarters))
    ]
    return sum(total >= abs(sum(quarters)) for total in totals) / len(totals)


def sandwich(outcomes):
    """CR1 of the intercept of a least-squares fit, as Cameron and Miller 2015, eqs. 11-12."""
    y, x = outcomes.per_query[:, None], np.ones((len(outcomes.per_query), 1))
    bread = np.linalg.inv(x.T @ x)
    residuals = y - x @ (bread @ x.T @ y)
    groups = np.unique(outcomes.unit_of)
    meat = np.zeros((1, 1))
    for group in groups:
        own = outcomes.unit_of == group
        score = x[own].T @ residuals[own]
        meat += score @ score.T
    n, k, g = len(y), 1, len(groups)
    adjust = g / (g - 1) * (n - 1) / (n - k)
    return float(np.sqrt(adjust * (bread @ meat @ bread)[0, 0]))


@given(differing(units=7))
@settings(max_examples=60)
def test_few_units_are_all_flipped(outcomes):
    assert sign_flip(outcomes) == enumerated(outcomes)


@given(differing(units=7))
@settings(max_examples=25)
def test_few_units_are_flipped_as_scipy_does(outcomes):
    sums = outcomes.sums()
    if len(sums) < 2:
        return
    found = stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert sign_flip(outcomes) == pytest.approx(found.pvalue)


def test_sixteen_differing_units_are_counted_and_seventeen_drawn():
    values = np.random.default_rng(0).normal(0.3, 1, 17)
    exact = made([*values[:16], 0.0, 0.0])
    assert sign_flip(exact, seed=0, flips=10) == sign_flip(exact, seed=1, flips=20)
    assert (sign_flip(exact) * 2**16).is_integer()
    drawn = [sign_flip(made(values), seed=seed) for seed in range(4)]
    assert len(set(drawn)) > 1
    signs = 1 - 2 * ((np.arange(2**17)[:, None] >> np.arange(17)) & 1)
    wanted = (np.abs(signs @ values) >= abs(values.sum()) - 1e-9).mean()
    error = np.sqrt(wanted * (1 - wanted) / FLIPS)
    assert np.abs(np.array(drawn) - wanted).max() < 4 * error + 1 / FLIPS


def test_drawn_flips_are_never_nought():
    """Phipson and Smyth 2010: the observed one is among them."""
    clear = made(np.linspace(1, 2, 60))
    assert sign_flip(clear, flips=99) == 1 / 100
    assert sign_flip(made(np.linspace(1, 2, 16))) == 2 / 2**16


@given(differing(units=30, most=2), st.integers(0, 2))
@settings(max_examples=40)
def test_its_sign_and_scale_do_not_matter(outcomes, seed):
    p = sign_flip(outcomes, flips=200, seed=seed)
    for factor in (-1, 0.1, 1e-6, 3):
        other = made(factor * outcomes.per_query, outcomes.unit_of)
        assert sign_flip(other, flips=200, seed=seed) == p
    assert 0 < p <= 1


@pytest.mark.parametrize("count", [1, 7, 16, 17, 40])
def test_what_adds_up_to_nothing_is_no_difference(count):
    """0.1 + 0.2 - 0.3 is not 0 in floating point, in queries of a class or between classes."""
    values = np.tile([0.1, 0.2, -0.3], count)
    assert sign_flip(made(values, np.repeat(np.arange(count), 3))) == 1.0
    assert sign_flip(made(values), flips=200) == 1.0
    assert sign_flip(made(0 * values)) == 1.0


def test_units_that_agree_change_nothing():
    values = np.random.default_rng(0).normal(0.4, 1, 12)
    assert sign_flip(made([*values, *[0.0] * 30])) == sign_flip(made(values))
    nothing = np.tile([0.1, 0.2, -0.3], 30)
    units = [*range(12), *(12 + np.repeat(np.arange(30), 3))]
    assert sign_flip(made([*values, *nothing], units)) == sign_flip(made(values))


def test_whole_units_are_flipped():
    """Ten queries of one class are one coin: no evidence by themselves."""
    assert sign_flip(made(np.ones(10), np.zeros(10, int))) == 1.0
    assert sign_flip(made(np.ones(10))) == 2 / 2**10


def test_how_many_are_flipped_at_once_matters_by_chance_alone(monkeypatch):
    outcomes = made(np.random.default_rng(0).normal(0.2, 1, 50))
    at_once = sign_flip(outcomes)
    monkeypatch.setattr(paired, "FLIPS_AT_ONCE", 999)
    error = np.sqrt(2 * at_once * (1 - at_once) / FLIPS)
    assert abs(sign_flip(outcomes) - at_once) < 4 * error


def test_where_nothing_differs_every_p_is_as_likely():
    """2,000 exact tests of 8 units: each multiple of 2 / 2^8 as often."""
    draw = np.random.default_rng(0)
    found = [sign_flip(made(draw.normal(0, draw.uniform(1, 9, 8)))) for _ in range(2000)]
    places = np.round(np.array(found) * 2**7).astype(int) - 1
    counts = np.bincount(places // 16, minlength=8)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_false_alarms_are_as_rare_as_promised():
    draw = np.random.default_rng(0)
    found = [sign_flip(drawn_differences(draw, 40), flips=199, seed=n) for n in range(600)]
    assert (np.array(found) <= 0.05).mean() == pytest.approx(0.05, abs=4 * 0.0089)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
@settings(max_examples=60)
def test_mcnemar_is_scipys_binomial_test(better, worse, equal):
    found = mcnemar(made([1.0] * better + [-1.0] * worse + [0.0] * equal))
    wanted = stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("better", [10_000, 9_900, 9_000, 5_000])
def test_mcnemar_of_many_is_scipys(better):
    found = mcnemar(made(np.repeat([1.0, -1.0, 0.0], [better, 20_000 - better, 40_502])))
    wanted = stats.binomtest(better, 20_000).pvalue
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-300)


def test_mcnemar_is_of_successes_and_failures_alone():
    assert mcnemar(made([1.0, 0.5, -1.0])) is None
    assert mcnemar(made([1.0, 1 / 3, 0.0])) is None
    assert mcnemar(made([1.0, -2.0])) is None
    assert mcnemar(made([0.0, 0.0])) == 1.0


def test_mcnemar_takes_queries_as_independent_and_the_sign_flip_does_not():
    outcomes = made(np.ones(12), np.arange(12) // 4)
    assert mcnemar(outcomes) == 2 / 2**12
    assert sign_flip(outcomes) == 2 / 2**3


@given(st.lists(st.integers(1, 9), min_size=2, max_size=12), st.integers(0, 99))
@settings(max_examples=60)
def test_the_standard_error_is_that_of_a_sandwich(sizes, seed):
    unit_of = np.repeat(np.arange(len(sizes)), sizes)
    values = np.random.default_rng(seed).normal(0.1, 1, len(unit_of))
    outcomes = made(values, unit_of)
    assert standard_error(outcomes) == pytest.approx(sandwich(outcomes), rel=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
@settings(max_examples=60)
def test_of_queries_alone_it_is_the_textbooks(values):
    wanted = np.std(values, ddof=1) / np.sqrt(len(values))
    assert standard_error(made(values)) == pytest.approx(wanted, rel=1e-9, abs=1e-15)


def test_the_standard_error_is_how_much_means_vary():
    """Of 400 datasets of 50 classes of five: queries alone would say 0.43 of it."""
    draw = np.random.default_rng(0)
    found = [drawn_differences(draw, 50) for _ in range(400)]
    spread = np.std([one.mean for one in found], ddof=1)
    assert np.mean([standard_error(one) for one in found]) == pytest.approx(spread, rel=0.1)
    alone = np.mean([standard_error(made(one.per_query)) for one in found])
    assert alone < 0.6 * spread


def test_one_unit_has_no_standard_error():
    for outcomes in (made([0.3]), made([0.3, 0.4], [0, 0])):
        assert np.isnan(standard_error(outcomes))
        assert np.isnan(minimum_detectable(outcomes))


@pytest.mark.parametrize("power", [0.8, 0.5])
def test_the_least_detectable_difference_is_found_so_often(power):
    """400 datasets of 60 classes, tested by their standard errors."""
    draw = np.random.default_rng(1)
    each = [drawn_differences(draw, 60) for _ in range(50)]
    least = np.mean([minimum_detectable(one, power=power) for one in each])
    found = [drawn_differences(draw, 60, mean=least) for _ in range(400)]
    rejected = np.mean([abs(one.mean) > 1.96 * standard_error(one) for one in found])
    assert rejected == pytest.approx(power, abs=0.07)


def test_the_sign_flip_finds_it_too():
    draw = np.random.default_rng(2)
    least = minimum_detectable(drawn_differences(draw, 2000)) * np.sqrt(2000 / 60)
    found = [drawn_differences(draw, 60, mean=least) for _ in range(300)]
    rejected = np.mean([sign_flip(one, flips=199) <= 0.05 for one in found])
    assert rejected == pytest.approx(0.8, abs=0.08)


def test_a_stricter_test_needs_a_larger_difference():
    outcomes = drawn_differences(np.random.default_rng(0), 30)
    usual = minimum_detectable(outcomes)
    assert usual == pytest.approx(2.8016 * standard_error(outcomes), rel=1e-4)
    assert minimum_detectable(outcomes, alpha=0.01) > usual
    assert minimum_detectable(outcomes, power=0.9) > usual


def test_wins_are_counted_by_query():
    outcomes = made([1.0, 0.25, -1e-9, 0.0, 0.0, -1.0], [0, 0, 1, 1, 2, 2])
    assert wins(outcomes) == Wins(a=2, b=2, equal=2)
    assert wins(made([0.0])) == Wins(0, 0, 1)
