"""results.pareto: fronts, against the definition, and how sure they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.analysis.fronts import NONE, rivals
from results.pareto import front, pareto_table
from results.render import as_text
from results.stats.intervals import bootstrap
from results.store import ResultsError
from tests.matrices import CLASSES, QUERIES, by_class, matrix, outcomes_of, product
from tests.reports import frame

COSTS_AND_VALUES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=0, max_size=12
)


def dominates(a, b):
    return a[0] <= b[0] and a[1] >= b[1] and a != b


def arrays(points):
    table = np.array(points, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@settings(max_examples=60)
@given(COSTS_AND_VALUES)
def test_the_front_is_what_no_other_dominates(points):
    expected = [not any(dominates(other, one) for other in points) for one in points]
    assert front(*arrays(points)).tolist() == expected


@settings(max_examples=60)
@given(COSTS_AND_VALUES)
def test_a_dominated_cell_is_held_against_the_best_that_costs_no_more(points):
    costs, values = arrays(points)
    on = front(costs, values)
    for place, rival in enumerate(rivals(costs, on)):
        if on[place]:
            cheaper = [v for c, v in points if c < costs[place]]
            assert (rival == NONE) == (not cheaper)
            assert rival == NONE or (values[rival] == max(cheaper) and on[rival])
        else:
            assert dominates(points[rival], points[place])
            assert values[rival] == max(v for c, v in points if c <= costs[place])


def test_equal_cells_are_both_on_the_front():
    costs, values = np.array([2.0, 1, 2, 2]), np.array([5.0, 3, 5, 4])
    assert front(costs, values).tolist() == [True, True, True, False]


# the table

ONE = np.ones(QUERIES)


def noted(table, part):
    return [note for note in table.notes if part in note]


def flips(share, n_classes=CLASSES):
    """Outcomes that are 1 for the first classes."""
    return (np.arange(QUERIES) % n_classes < share).astype(float)


def test_the_front_comes_first_then_who_may_be_on_it(tmp_path):
    cells = product(pooling=["avg", "gem"], dims=[8, 16, 32])
    x = [flips(3), flips(6), flips(7), flips(0), 1 - flips(3), flips(1)]
    table = pareto_table(matrix(tmp_path, cells, x), "dims")
    assert [[*row[:2], row[3]] for row in table.body] == [
        ["avg", "8", "yes"],
        ["avg", "16", "yes"],
        ["avg", "32", "yes≈"],
        ["gem", "16", "≈"],
        ["gem", "8", "no"],
        ["gem", "32", "no"],
    ]
    assert [row[-1] for row in table.body] == [
        "",
        "avg 8",
        "avg 16",
        "avg 16",
        "avg 8",
        "avg 32",
    ]
    assert [table.emphasis_of(row, 2) for row in range(6)] == ["best"] * 3 + [""] * 3


def test_differences_to_the_front_are_paired(tmp_path):
    cells = product(dims=[8, 16, 32])
    x = np.sort(outcomes_of(cells), axis=0)[[1, 2, 0]]
    table = pareto_table(matrix(tmp_path, cells, x), "dims")
    gain, lost = table.numbers.to_dict("records")[1:]
    for record, pair in ((gain, by_class(x[1] - x[0])), (lost, by_class(x[2] - x[1]))):
        interval = bootstrap(pair)
        ends = record["low"], record["high"]
        assert record["Δ"] == pytest.approx(100 * pair.mean)
        assert ends == pytest.approx((100 * interval.low, 100 * interval.high))
    assert gain["against"] == "8"
    assert lost["against"] == "16"


def test_a_cell_that_costs_more_and_is_alike_is_dominated_but_not_clearly(tmp_path):
    cells = product(dims=[8, 16])
    table = pareto_table(matrix(tmp_path, cells, [ONE / 2, ONE / 2]), "dims")
    assert [row[2] for row in table.body] == ["yes", "≈"]
    assert table.body[1][3:5] == ["+0.00", "[+0.00, +0.00]"]


def test_seeds_that_move_a_difference_by_as_much_make_it_unclear(tmp_path):
    cells = [{"dims": dims, "seed": seed} for dims in (8, 16) for seed in (0, 1)]
    x = [ONE / 2, ONE / 2, ONE / 4, ONE / 2]
    table = pareto_table(matrix(tmp_path, cells, x), "dims")
    assert table.body[1][2:4] == ["≈", "-12.50 ± 17.68"]


@pytest.mark.parametrize(
    ("typed", "header", "shown"),
    [
        ("params", "params (M)", ["2", "3"]),
        ("parameters", "params (M)", ["2", "3"]),
        ("gmacs", "GMACs", ["0.5", "4.57"]),
        ("bytes", "bytes", ["32", "1536"]),
        ("bytes_per_image", "bytes", ["32", "1536"]),
        ("dims", "dims", ["8", "384"]),
        ("latency", "latency_ms", ["1.25", "2000"]),
        ("latency_ms", "latency_ms", ["1.25", "2000"]),
    ],
)
def test_costs_are_known_by_short_names(tmp_path, typed, header, shown):
    cells = product(dims=[8, 384])
    found = matrix(tmp_path, cells, [ONE / 4, ONE / 2]).assign(
        parameters=[2_000_000, 3_000_000],
        gmacs=[0.5, 4.567],
        bytes_per_image=[32, 1536],
        latency_ms=[1.25, 2000.4],
    )
    table = pareto_table(found, typed)
    place = table.headers.index(header)
    assert [row[place] for row in table.body] == shown
    assert table.headers.count("dims") == 1


def test_an_unknown_cost_is_said_with_the_known(tmp_path):
    cells = product(dims=[8, 16])
    found = matrix(tmp_path, cells, outcomes_of(cells)).assign(dims_measured=8, steps=3)
    told = r"unknown cost 'gmac'; did you mean 'gmacs'\? \(known: gmacs, params, bytes, dims\)"
    with pytest.raises(ResultsError, match=told):
        pareto_table(found, "gmac")
    with pytest.raises(ResultsError, match="unknown cost 'r@1'"):
        pareto_table(found, "r@1")
    with pytest.raises(ResultsError, match="no finished cells yet"):
        pareto_table(frame(), "gmacs")


def test_cells_without_the_cost_are_left_out(tmp_path):
    cells = product(dims=[8, 16, 32])
    found = matrix(tmp_path, cells, outcomes_of(cells))
    table = pareto_table(found.assign(latency_ms=[1.0, np.nan, 2.0]), "latency")
    assert len(table.body) == 2
    assert noted(table, "left out: 1 cells of SOP R@1 that have no latency_ms")
    with pytest.raises(ResultsError, match="no finished cell has latency_ms"):
        pareto_table(found.assign(latency_ms=np.nan), "latency")


def test_each_dataset_and_metric_has_its_front(tmp_path):
    cells = product(dataset=["sop", "cub"], dims=[8, 16])
    x = [ONE / 2, ONE / 4, ONE / 4, ONE / 2]
    table = pareto_table(matrix(tmp_path, cells, x), "gmacs")
    assert table.groups == ["SOP R@1"] * 2 + ["CUB R@1"] * 2
    assert [row[0] for row in table.body] == ["8", "16", "16", "8"]
    assert table.headers[:3] == ["dims", "GMACs", "R@1"]


def test_one_cell_is_the_front(tmp_path):
    table = pareto_table(matrix(tmp_path, [{}], [ONE]), "gmacs")
    assert [row[2:] for row in table.body] == [["yes", "", "", ""]]
    assert not noted(table, "interval over queries")


def test_without_outcomes_the_front_is_there_and_no_interval():
    cells = product(dims=[8, 16])
    table = pareto_table(matrix(None, cells, [ONE, ONE / 2]), "dims")
    assert [row[2] for row in table.body] == ["yes", "no"]
    assert table.body[1][4] == "--"
    assert noted(table, "no intervals of SOP R@1")


def test_names_are_escaped_and_marks_explained(tmp_path):
    cells = product(backbone=["a_b", "<c>&"])
    found = matrix(tmp_path, cells, outcomes_of(cells), marks=["test-selected"])
    table = pareto_table(found, "gmacs")
    assert table.marks == ["SOP R@1 ‡"] * 2
    assert noted(table, "‡ model selected")
    assert r"a\_b" in as_text(table, "latex")
    assert "&lt;c&gt;&amp;" in as_text(table, "markdown")


def test_another_protocol_is_not_on_the_front(tmp_path):
    cells = product(dims=[8, 16, 32])
    found = matrix(tmp_path, cells, [ONE / 4, ONE / 2, ONE])
    found.loc[2, "protocol.ties"] = "optimistic"
    table = pareto_table(found, "dims")
    assert [row[0] for row in table.body] == ["8", "16"]
    assert noted(table, "ties (expected / optimistic)")
