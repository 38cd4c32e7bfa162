"""results.compare: two cells' outcomes beside each other, as one computes it by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.compare import by_unit, compare
from results.outcomes import Outcomes
from results.stats.paired import Wins
from results.store import ResultsError
from tests.made_outcomes import differing, drawn_recalls, made
from tests.test_outcomes import ODD_NAMES

A = made([1.0, 1.0, 1.0, 0.0, 1.0, 0.0], [0, 0, 1, 1, 2, 2])
B = made([1.0, 0.0, 0.0, 0.0, 0.0, 1.0], [0, 0, 1, 1, 2, 2])


def test_what_is_said_of_two_cells():
    """Three classes, whose sums of differences are 1, 1 and 0: four flips, half as far."""
    found = compare(A, B)
    assert (found.a, found.b) == pytest.approx((4 / 6, 2 / 6))
    assert found.difference == pytest.approx(2 / 6)
    assert found.p_sign_flip == 0.5
    assert found.p_mcnemar == pytest.approx(5 / 8)
    assert found.wins == Wins(a=3, b=1, equal=2)
    deviations = np.array([1, 1, 0]) - 2 * 2 / 6
    assert found.standard_error == pytest.approx(np.sqrt(3 / 2 * (deviations**2).sum()) / 6)
    assert found.minimum_detectable == pytest.approx(2.8016 * found.standard_error, rel=1e-4)
    assert found.interval.low == 0.0
    assert found.interval.high == 0.5
    assert (found.queries, found.units, found.unit) == (6, 3, "class")


def test_landmarks_are_compared_query_by_query():
    found = compare(made([0.5, 0.75, 0.25]), made([0.25, 0.5, 0.0]))
    assert found.p_mcnemar is None
    assert found.p_sign_flip == 2 / 2**3
    assert (found.units, found.unit) == (3, "query")


def test_a_cell_does_not_differ_from_itself():
    found = compare(A, A)
    assert found.difference == found.standard_error == found.minimum_detectable == 0
    assert found.p_sign_flip == found.p_mcnemar == 1.0
    assert not found.interval.excludes(0.0)
    assert found.wins == Wins(0, 0, 6)


@given(differing(values=(0.0, 1.0)), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_turned_round_everything_changes_its_sign_alone(outcomes, random):
    values = outcomes.per_query.tolist()
    other = made(random.sample(values, len(values)), outcomes.unit_of)
    ab, ba = compare(outcomes, other), compare(other, outcomes)
    assert ba.difference == -ab.difference
    assert (ba.interval.low, ba.interval.high) == pytest.approx(
        (-ab.interval.high, -ab.interval.low)
    )
    assert (ba.p_sign_flip, ba.p_mcnemar) == (ab.p_sign_flip, ab.p_mcnemar)
    assert (ba.wins.a, ba.wins.b, ba.wins.equal) == (ab.wins.b, ab.wins.a, ab.wins.equal)
    assert ba.standard_error == pytest.approx(ab.standard_error, nan_ok=True)


def test_what_is_hard_for_both_does_not_blur_the_difference():
    draw = np.random.default_rng(0)
    b = drawn_recalls(draw, 60)
    better = np.where(draw.random(len(b.per_query)) < 0.1, 1.0, b.per_query)
    found = compare(made(better, b.unit_of), b)
    assert found.interval.excludes(0.0)
    assert found.p_sign_flip < 0.001
    alone = compare(b, made(np.full(len(b.per_query), b.mean), b.unit_of))
    assert found.standard_error < 0.5 * alone.standard_error


def test_other_queries_are_refused():
    with pytest.raises(ResultsError, match=r"1 are of the second alone \(such as 6\.jpg\)"):
        compare(A, made(np.zeros(7), [0, 0, 1, 1, 2, 2, 2]))
    with pytest.raises(ResultsError, match="different classes"):
        by_unit(A, made(np.zeros(6), [0, 0, 1, 1, 2, 3]))


def test_classes_are_listed_the_greatest_loss_first():
    table = by_unit(B, A)
    assert list(table.columns) == ["class", "queries", "a", "b", "difference"]
    assert table.to_numpy().tolist() == [
        ["unit 0", 2, 0.5, 1.0, -0.5],
        ["unit 1", 2, 0.0, 0.5, -0.5],
        ["unit 2", 2, 0.5, 0.5, 0.0],
    ]
    assert by_unit(A, B)["class"].tolist() == ["unit 2", "unit 0", "unit 1"]


@given(differing(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_of_each_class_they_are_the_means_of_its_queries(outcomes, random):
    values = outcomes.per_query.tolist()
    other = made(random.sample(values, len(values)), outcomes.unit_of)
    table = by_unit(outcomes, other).set_index("class")
    for unit, name in enumerate(outcomes.units):
        own = outcomes.unit_of == unit
        assert table.loc[name, "queries"] == own.sum()
        assert table.loc[name, "a"] == pytest.approx(outcomes.per_query[own].mean())
        assert table.loc[name, "b"] == pytest.approx(other.per_query[own].mean())
        gain = table.loc[name, "a"] - table.loc[name, "b"]
        assert table.loc[name, "difference"] == pytest.approx(gain, abs=1e-12)
    weighted = (table["difference"] * table["queries"]).sum() / table["queries"].sum()
    assert weighted == pytest.approx(compare(outcomes, other).difference, abs=1e-12)


def test_landmarks_are_listed_by_query():
    table = by_unit(made([0.5, 0.0]), made([0.0, 0.25]))
    assert "class" not in table
    assert table["query"].tolist() == ["unit 1", "unit 0"]


def test_odd_class_names_are_listed_as_they_are():
    count = len(ODD_NAMES)
    names = tuple(map(str, range(count)))
    hits = Outcomes(names, np.ones(count), np.arange(count), tuple(ODD_NAMES), "class")
    assert by_unit(hits, hits)["class"].tolist() == ODD_NAMES
