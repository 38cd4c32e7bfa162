"""results.cells: one number of a table: seeds averaged, its interval, its marks."""

import math

import numpy as np
import pytest

import results
from results.cells import MISSING, Cell, Column, cell_of, reports_of
from results.outcomes import Outcomes
from results.signatures import Difference, mark_protocols
from results.stats.intervals import Interval, bootstrap, interval_of, wilson
from results.store import DamagedReportError, ResultsError, per_query_path
from tests.reports import cell, frame, report

SOP = Column("SOP", "R@1", {"dataset": "sop"}, "r@1")
SEEDS = ([1, 0, 1, 0, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 1, 1, 0, 1])
CLASSES = "aaabbccc"


def seeds(runs):
    """Three seeds of one cell, whose queries are of three classes."""
    for seed, outcomes in enumerate(SEEDS):
        cell(runs, f"seed{seed}", outcomes, classes=CLASSES, job__seed=seed)
    return mark_protocols(results.load(runs))


def test_an_interval_of_seeds_is_that_of_each_querys_mean(tmp_path):
    """Seeds are no more queries: three of them do not narrow what eight queries can tell."""
    found = cell_of(seeds(tmp_path), "r@1", "bootstrap")
    means = np.mean(SEEDS, axis=0)
    unit_of = np.array(["abc".index(name) for name in CLASSES])
    names = tuple(map(str, range(8)))
    interval = bootstrap(Outcomes(names, means, unit_of, ("a", "b", "c"), "class"))
    assert found.interval == Interval(100 * interval.low, 100 * interval.high)
    assert found.interval.low < found.value < found.interval.high
    pooled = Outcomes(
        tuple(map(str, range(24))), np.concatenate(SEEDS) * 1.0, np.tile(unit_of, 3), (), "class"
    )
    assert interval_of(pooled, "wilson") != interval_of(
        Outcomes(names, means, unit_of, ("a", "b", "c"), "class"), "wilson"
    )
    assert cell_of(seeds(tmp_path), "r@1", "wilson").interval.low == pytest.approx(
        100 * wilson(means.mean(), 8).low
    )


def test_seeds_have_a_mean_and_their_spread_apart_from_the_interval(tmp_path):
    found = cell_of(seeds(tmp_path), "r@1")
    values = [100 * np.mean(outcomes) for outcomes in SEEDS]
    assert found.value == pytest.approx(np.mean(values))
    assert found.spread == pytest.approx(np.std(values, ddof=1))
    assert found.interval is None
    assert found.text == f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"
    one = cell_of(seeds(tmp_path)[:1], "r@1", "wilson")
    assert one.spread is None
    assert "±" not in one.text


def test_seeds_that_asked_other_queries_have_no_interval_together(tmp_path):
    cell(tmp_path, "k", [1, 0], job__seed=0)
    cell(tmp_path, "kk", [1, 0], job__seed=1, queries=["images/0.jpg", "images/new.jpg"])
    both = mark_protocols(results.load(tmp_path))
    assert cell_of(both, "r@1").value == 50
    with pytest.raises(ResultsError, match=r"different queries: 1 are of the first alone \(such"):
        cell_of(both, "r@1", "bootstrap")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot read the per-query outcomes"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "was changed after it was written"),
    ],
)
def test_outcomes_that_are_gone_or_changed_are_named(tmp_path, damage, message):
    cell(tmp_path, "k", [1, 0])
    path = per_query_path(tmp_path, "k")
    damage(path)
    reports = mark_protocols(results.load(tmp_path))
    assert cell_of(reports, "r@1").value == 50  # nobody asked the queries
    with pytest.raises(DamagedReportError, match=message) as error:
        cell_of(reports, "r@1", "bootstrap")
    assert str(path) in str(error.value)
    assert error.value.exit_code == 1


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (Cell(52.84), "52.8"),
        (Cell(52.84, spread=0.06, signs="*#", verdict="↑"), "52.8 ± 0.1*#↑"),
        (Cell(52.84, interval=Interval(0.04, 100.0), signs="‡"), "52.8‡ [0.0, 100.0]"),
        (Cell(7.0, 1.25, Interval(1.06, 12.0), verdict="≈"), "7.0 ± 1.2≈ [1.1, 12.0]"),
        (MISSING, "--"),
        (Cell(math.nan, signs="*", verdict="↑"), "--"),
    ],
)
def test_a_cell_is_its_number_spread_signs_and_interval(one, text):
    assert one.text == text


def test_a_cell_of_another_protocol_is_not_comparable():
    """But one that has a mark of its own is: the reader is told, and may compare."""
    assert Cell(1.0).comparable
    assert not MISSING.comparable
    assert not Cell(1.0, differences=(Difference("ties", "expected", "other"),)).comparable
    assert Cell(1.0, differences=(Difference("transductive", "False", "True"),)).comparable


def test_marks_of_seeds_are_joined_in_one_order():
    both = frame(
        report("k", marks=["transductive", "not ok"], job__seed=0),
        report("kk", marks=["not ok", "tied", "twin"], job__seed=1),
    )
    found = cell_of(mark_protocols(both), "r@1")
    assert found.marks == ("tied", "transductive", "not ok")
    assert found.signs == "=*!"


def test_the_sign_of_ties_is_there_once_whatever_says_it():
    tied = report(bounds={"r@1": [0.5, 0.6]}, marks=["tied"])
    assert cell_of(mark_protocols(frame(tied)), "r@1").signs == "="


def test_reports_of_a_cell_are_those_of_its_column_with_its_metric():
    row = frame(
        report("k"),
        report("kk", job__dataset="cub"),
        report("kkk", metrics={"map_hard": 0.5}),
        report("kkkk", job__seed=3),
    )
    assert reports_of(row, SOP)["key"].tolist() == ["k", "kkkk"]
    assert reports_of(row, Column("CUB", "H", {"dataset": "cub"}, "map_hard")).empty
    none = Column("", "R@1", {"test_resolution": math.nan}, "r@1")
    assert len(reports_of(row[row["dataset"] == "sop"], none)) == 2


def test_reports_that_are_no_seeds_of_one_cell_are_refused():
    row = frame(report("k", job__crop="box"), report("kk"))
    with pytest.raises(ResultsError, match=r"2 reports fall into one cell of SOP R@1: they differ"):
        reports_of(row, SOP)
    with pytest.raises(ResultsError, match=r"in crop \(-, box\); add crop to --rows or --cols"):
        reports_of(row, SOP)
