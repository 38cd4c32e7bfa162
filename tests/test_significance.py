"""results.significance: rows against a baseline row, on the same queries, corrected for all."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

import results
from results.cells import MISSING, Cell
from results.significance import ALIKE, BETTER, WORSE, find_row, judged
from results.store import DamagedReportError, ResultsError, per_query_path
from tests.reports import cell

AXES = ("backbone", "dims")
ROWS = [("deit_s", "8"), ("deit_s", "16"), ("resnet50", "16")]


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ({"backbone": "deit_s", "dims": "8"}, 0),
        ({"dims": "16", "backbone": "deit_s"}, 1),
        ({"dims": "8"}, 0),
        ({"backbone": "resnet50"}, 2),
    ],
)
def test_a_row_is_found_by_as_many_words_as_it_needs(wanted, place):
    assert find_row(wanted, AXES, ROWS) == place


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"dims": "32"},
            '--baseline "dims=32" is no row: give one of backbone=deit_s dims=8; '
            "backbone=deit_s dims=16; backbone=resnet50 dims=16",
        ),
        (
            {"dims": "16"},
            '--baseline "dims=16" is several rows: give one of backbone=deit_s dims=16; '
            "backbone=resnet50 dims=16",
        ),
        (
            {"dims": "16", "backbone": "vit"},
            '--baseline "dims=16 backbone=vit" is no row: give one of backbone=deit_s dims=8; '
            "backbone=deit_s dims=16; backbone=resnet50 dims=16",
        ),
        (
            {"loss": "none"},
            "--baseline loss=none: rows have no loss (they have backbone, dims); "
            "add it to --rows, or leave it out",
        ),
    ],
)
def test_what_is_not_one_row_is_answered_with_rows(wanted, message):
    with pytest.raises(ResultsError) as error:
        find_row(wanted, AXES, ROWS)
    assert str(error.value) == message


def test_at_most_five_rows_are_named():
    rows = [("net", str(dims)) for dims in range(1, 9)]
    with pytest.raises(ResultsError, match=r"dims=1; .*dims=5$"):
        find_row({"backbone": "net"}, AXES, rows)


def p_by_all_signs(differences, units):
    """Share of all sign choices, unit by unit, whose total is as far from 0 as what was found."""
    totals = pd.Series(differences).groupby(list(units)).sum().to_numpy()
    flips = np.array(list(product((1, -1), repeat=len(totals)))) @ totals
    return float((np.abs(flips) >= abs(totals.sum()) - 1e-9).mean())


def holm_by_definition(p_values):
    """Of each: the largest of (m - j) p_(j) over all that are no larger."""
    order = sorted(p_values)
    steps = [min(1.0, (len(order) - rank) * p) for rank, p in enumerate(order)]
    return [max(steps[: order.index(p) + 1]) for p in p_values]


def judge(runs, grid, baseline=0, classes=None):
    """Verdicts of hand-made cells: grid of outcomes by row and column, None where there is none."""
    reports = []
    for row, columns in enumerate(grid):
        for column, outcomes in enumerate(columns):
            if outcomes is not None:
                cell(runs, f"{row}-{column}", outcomes, classes=classes and classes[column])
    loaded = results.load(runs)
    reports = [
        [loaded[loaded["key"] == f"{row}-{column}"] for column in range(len(columns))]
        for row, columns in enumerate(grid)
    ]
    cells = [[Cell(1.0) if outcomes else MISSING for outcomes in columns] for columns in grid]
    names = [f"row {row}" for row in range(len(grid))]
    shown, note = judged(cells, reports, names, ["r@1"] * len(grid[0]), baseline)
    return [[one.verdict for one in row] for row in shown], note


def test_verdicts_are_those_of_every_sign_flip_and_holms_definition(tmp_path):
    """Two columns, one of classes, one of landmarks; four rows against the second."""
    rng = np.random.default_rng(0)
    classes = [list("aabbcdefghijkl"), None]
    chances = [(0.95, 0.9), (0.05, 0.95), (0.4, 0.6), (0.1, 0.05)]
    grid = [[(rng.random(14) < p).astype(float).tolist() for p in row] for row in chances]
    p_values, above = {}, {}
    for row, column in product((0, 2, 3), (0, 1)):
        differences = np.subtract(grid[row][column], grid[1][column])
        units = classes[column] or range(14)
        p_values[row, column] = p_by_all_signs(differences, units)
        above[row, column] = differences.sum() > 0
    adjusted = dict(zip(p_values, holm_by_definition(list(p_values.values())), strict=True))
    expected = [["", ""] for _ in grid]
    for (row, column), p in adjusted.items():
        sign = BETTER if above[row, column] else WORSE
        expected[row][column] = sign if p < 0.05 else ALIKE
    found, note = judge(tmp_path, grid, baseline=1, classes=classes)
    assert found == expected
    assert {BETTER, WORSE, ALIKE} <= {sign for row in found for sign in row}
    assert "correction for 6 comparisons" in note


def test_holm_counts_every_cell_of_the_table(tmp_path):
    """Six of six queries better is p = 1/32: beyond chance alone, but not beside another."""
    zeros, ones = [0.0] * 6, [1.0] * 6
    assert judge(tmp_path / "1", [[zeros], [ones]])[0] == [[""], [BETTER]]
    assert judge(tmp_path / "2", [[ones], [zeros]])[0] == [[""], [WORSE]]
    found, note = judge(tmp_path / "3", [[zeros, ones], [ones, ones]])
    assert found == [["", ""], [ALIKE, ALIKE]]
    assert "for 2 comparisons" in note
    assert judge(tmp_path / "4", [[zeros], [ones], [zeros]])[0] == [[""], [ALIKE], [ALIKE]]


def test_classes_are_flipped_whole(tmp_path):
    """24 queries better are four classes better: p = 1/8."""
    zeros, ones = [0.0] * 24, [1.0] * 24
    assert judge(tmp_path / "1", [[zeros], [ones]])[0][1] == [BETTER]
    classes = [[f"class {place // 6}" for place in range(24)]]
    assert judge(tmp_path / "2", [[zeros], [ones]], classes=classes)[0][1] == [ALIKE]


def test_cells_that_are_not_there_have_no_verdict_and_are_not_counted(tmp_path):
    zeros, ones = [0.0] * 6, [1.0] * 6
    found, note = judge(tmp_path, [[zeros, None], [ones, ones], [None, zeros]])
    assert found == [["", ""], [BETTER, ""], ["", ""]]
    assert "for 1 comparisons" in note


def test_a_baseline_alone_is_compared_with_nothing(tmp_path):
    found, note = judge(tmp_path, [[[1.0, 0.0]]])
    assert found == [[""]]
    assert "for 0 comparisons" in note


def test_the_note_says_what_the_signs_mean(tmp_path):
    _, note = judge(tmp_path, [[[1.0, 0.0]], [[1.0, 1.0]]])
    assert note.startswith("↑ better, ↓ worse than the baseline beyond chance, ≈ not told apart:")
    assert "paired sign-flip test over classes (landmarks: queries), p < 0.05 after Holm" in note


def test_seeds_are_averaged_before_they_are_compared(tmp_path):
    """Query by query: two seeds that are right by turns are one row that is half right."""
    for seed in (0, 1):
        cell(tmp_path, f"a{seed}", [float(n % 2 == seed) for n in range(8)], job__seed=seed)
    cell(tmp_path, "b", [0.0] * 8)
    loaded = results.load(tmp_path)
    reports = [[loaded[loaded["key"] == "b"]], [loaded[loaded["key"] != "b"]]]
    shown, _ = judged([[Cell(0.0)], [Cell(50.0)]], reports, ["a", "b"], ["r@1"], 0)
    assert shown[1][0] == Cell(50.0, verdict=BETTER)


def test_other_queries_and_lost_files_are_named(tmp_path):
    cell(tmp_path, "0-0", [1.0, 0.0])
    cell(tmp_path, "1-0", [1.0, 0.0], queries=["images/0.jpg", "images/b.jpg"])
    loaded = results.load(tmp_path)
    reports = [[loaded[loaded["key"] == key]] for key in ("0-0", "1-0")]
    told = "SOP R@1 of b and of the baseline: they asked different queries: 1 are of the first"
    with pytest.raises(ResultsError, match=told):
        judged([[Cell(1.0)], [Cell(1.0)]], reports, ["a", "b"], ["r@1"], 0)
    with pytest.raises(ResultsError, match="has no map@r of single queries"):
        judged([[Cell(1.0)], [Cell(1.0)]], reports, ["a", "b"], ["map@r"], 0)
    (tmp_path / "other").mkdir()
    cell(tmp_path / "other", "x", [1.0, 0.0])
    gone = results.load(tmp_path / "other")
    per_query_path(tmp_path / "other", "x").unlink()
    with pytest.raises(DamagedReportError, match="cannot read the per-query outcomes"):
        judged([[Cell(1.0)], [Cell(1.0)]], [reports[0], [gone]], ["a", "b"], ["r@1"], 0)
