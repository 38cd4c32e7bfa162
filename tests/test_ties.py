"""results.ties: a reader is told which numbers hang on the order of equal similarities."""

import pytest

from results.tables import make_table
from results.ties import Bounds, bounds_of, tie_notes
from tests.reports import frame, report


def notes(*bounds):
    return tie_notes((f"SOP R@{n}", "deit_s", one) for n, one in enumerate(bounds))


def test_bounds_that_a_table_shows_apart_are_said():
    assert notes(Bounds(51.2, 53.04)) == [
        "= ties: SOP R@0 of deit_s lies between 51.2 and 53.0, depending on their order"
    ]


@pytest.mark.parametrize(
    "bounds",
    [
        None,
        Bounds(51.2, 51.2),
        Bounds(51.249, 51.251),  # two printed numbers, a difference that is none
        Bounds(51.26, 51.34),  # one printed number
    ],
)
def test_what_no_table_shows_is_not_said(bounds):
    assert notes(bounds) == []


def test_the_widest_come_first_and_the_rest_are_counted():
    found = notes(*(Bounds(10, 10 + width) for width in (1, 4, 2, 5, 3)))
    assert [text[:17] for text in found] == [
        "= ties: SOP R@3 o",
        "= ties: SOP R@1 o",
        "= ties: SOP R@4 o",
        "= ties: and 2 mor",
    ]
    assert len(notes(*(Bounds(10, 10 + width) for width in (1, 2, 3)))) == 3


def test_bounds_reach_the_table():
    tied = report("kk", job__dims=64, bounds={"r@1": [0.512, 0.53], "r@10": [0.7, 0.9]})
    table = make_table(frame(report(), tied))
    assert [row[-1] for row in table.body] == ["52.8", "52.8="]
    assert table.marks == ["", "SOP R@1 ="]
    said = [text for text in table.notes if text.startswith("=")]
    assert said == [
        "= ties: SOP R@1 of deit_s 64 lies between 51.2 and 53.0, depending on their order"
    ]  # and nothing of R@10, which is not shown


def test_the_sign_of_ties_is_there_once():
    tied = report(bounds={"r@1": [0.1, 0.9]}, marks=["tied"])
    table = make_table(frame(tied))
    assert table.body[0][-1] == "52.8="
    assert [text[:15] for text in table.notes if text.startswith("=")] == [
        "= most queries ",
        "= ties: SOP R@1",
    ]


def test_bounds_of_seeds_are_those_of_their_mean():
    first, second = {"r@1": [0.4, 0.6]}, {"r@1": [0.5, 0.8]}
    cell = frame(report("k", bounds=first), report("kk", bounds=second))
    found = bounds_of(cell, "r@1")
    assert (found.lower, found.upper) == (pytest.approx(45), pytest.approx(70))


def test_a_seed_without_bounds_counts_with_its_value():
    cell = frame(report("k", bounds={"r@1": [0.4, 0.6]}), report("kk", metrics={"r@1": 0.2}))
    found = bounds_of(cell, "r@1")
    assert (found.lower, found.upper) == (pytest.approx(30), pytest.approx(40))


def test_a_metric_without_bounds_has_none():
    with_other = frame(report("k", bounds={"r@1": [0.4, 0.6]}), report("kk"))
    assert bounds_of(with_other, "map@r") is None
    assert bounds_of(with_other.iloc[1:], "r@1") is None
