"""results.one_factor: a base row, and the cells that differ from it in one axis."""

import numpy as np
import pandas as pd
import pytest

from results.one_factor import one_factor_table
from results.outcomes import difference, read_outcomes
from results.stats.holm import holm
from results.stats.intervals import bootstrap
from results.stats.paired import sign_flip
from results.store import ResultsError
from tests.matrices import QUERIES, matrix, outcomes_of, product
from tests.reports import frame

CELLS = product(backbone=["conv", "vit"], pooling=["avg", "gem"], dims=[8, 16, 128])
BASE = {"backbone": "conv", "pooling": "gem", "dims": "16"}


@pytest.fixture
def found(tmp_path):
    return matrix(tmp_path, CELLS, outcomes_of(CELLS))


def noted(table, part):
    return [note for note in table.notes if part in note]


def test_the_base_comes_first_then_one_axis_after_the_other(found):
    table = one_factor_table(found, BASE)
    assert [row[:2] for row in table.body] == [
        ["base", "conv gem 16"],
        ["backbone", "conv → vit"],
        ["pooling", "gem → avg"],
        ["dims", "16 → 8"],
        ["", "16 → 128"],
    ]
    assert list(table.numbers["axis"]) == ["base", "backbone", "pooling", "dims", "dims"]
    assert noted(table, "several axes (7)")
    assert table.groups == ["SOP R@1"] * 5


def test_differences_are_paired_and_corrected_together(found):
    table = one_factor_table(found, BASE)
    cells = {tuple(cell.values()): number for number, cell in enumerate(CELLS)}
    changed = [("vit", "gem", 16), ("conv", "avg", 16), ("conv", "gem", 8), ("conv", "gem", 128)]
    of = {key: read_outcomes(found["per_query"][number], "r@1") for key, number in cells.items()}
    pairs = [difference(of[key], of["conv", "gem", 16]) for key in changed]
    p_values = [sign_flip(pair) for pair in pairs]
    records = table.numbers.to_dict("records")[1:]
    for record, pair, p, p_holm in zip(records, pairs, p_values, holm(p_values), strict=True):
        interval = bootstrap(pair)
        ends = record["low"], record["high"]
        assert record["Δ"] == pytest.approx(100 * pair.mean)
        assert ends == pytest.approx((100 * interval.low, 100 * interval.high))
        assert (record["p"], record["p Holm"]) == (p, p_holm)
    assert noted(table, "for 4 comparisons")


def test_a_clear_change_is_marked(tmp_path):
    one = np.ones(QUERIES)
    cells = product(dims=[8, 16, 32])
    x = [0 * one, one / 2, one / 2]
    table = one_factor_table(matrix(tmp_path, cells, x), {"dims": "16"})
    assert [row[3] for row in table.body] == ["", "-50.00↓", "+0.00≈"]
    assert [row[5] for row in table.body] == ["", "0.0078", "1.0000"]  # 2 of 2^8 flips
    assert table.marks == ["", "SOP R@1 ↓", "SOP R@1 ≈"]
    up = one_factor_table(matrix(tmp_path, cells, x), {"dims": "8"})
    assert [row[3] for row in up.body] == ["", "+50.00↑", "+50.00↑"]


def test_no_such_base_is_said_with_what_is_known(found):
    with pytest.raises(ResultsError, match=r"no finished cell has dims=12 \(8, 16, 128\)"):
        one_factor_table(found, {**BASE, "dims": "12"})
    with pytest.raises(ResultsError, match=r"unknown axis 'dim'; did you mean 'dims'"):
        one_factor_table(found, {"dim": "8"})
    with pytest.raises(ResultsError, match="is empty"):
        one_factor_table(found, {})
    with pytest.raises(ResultsError, match="no finished cells yet"):
        one_factor_table(frame(), BASE)


def test_a_base_of_several_cells_is_said_with_what_tells_them_apart(found):
    told = r'"backbone=vit" is 6 cells of SOP: .* pooling \(avg, gem\), dims \(8, 16, 128\)'
    with pytest.raises(ResultsError, match=told):
        one_factor_table(found, {"backbone": "vit"})


def test_each_dataset_has_its_base(tmp_path):
    cells = [
        *product(dataset=["sop", "cub"], dims=[8, 16]),
        *product(dataset=["inshop"], dims=[16, 32]),
    ]
    found = matrix(tmp_path, cells, outcomes_of(cells))
    table = one_factor_table(found, {"dims": "8"})
    assert table.groups == ["SOP R@1"] * 2 + ["CUB R@1"] * 2
    assert noted(table, "not shown: INSHOP R@1, which has no such base")
    assert noted(table, "for 2 comparisons")
    one = one_factor_table(found, {"dims": "8", "dataset": "cub"})
    assert one.groups == ["CUB R@1"] * 2


def test_metrics_of_several_kinds_share_a_column(tmp_path):
    cells = product(dims=[8, 16])
    landmarks = product(dataset=["roxford"], dims=[8, 16])
    both = pd.concat(
        [
            matrix(tmp_path, cells, outcomes_of(cells)),
            matrix(tmp_path, landmarks, outcomes_of(landmarks), metric="map_hard", classes=0),
        ]
    )
    table = one_factor_table(both, {"dims": "8"})
    assert table.headers[2] == "metric, %"
    assert list(table.numbers["metric name"]) == ["R@1", "R@1", "H", "H"]
    assert one_factor_table(both, {"dims": "8"}, ["map_hard"]).headers[2] == "H"


def test_axes_that_go_together_change_together(tmp_path):
    cells = [
        {"dims": dims, "projection": projection, "pooling": pooling}
        for dims, projection in ((8, "pca"), (64, "none"))
        for pooling in ("avg", "gem")
    ]
    found = matrix(tmp_path, cells, outcomes_of(cells))
    table = one_factor_table(found, {"dims": "8", "pooling": "avg"})
    assert [row[:2] for row in table.body[1:]] == [
        ["pooling", "avg → gem"],
        ["dims+projection", "8 pca → 64 none"],
    ]


def test_an_axis_that_does_not_matter_to_one_of_two_is_no_difference(tmp_path):
    cells = [{"loss": "none", "recipe": None}]
    cells += product(loss=["contrastive", "snca"], recipe=["long", "short"])
    found = matrix(tmp_path, cells, outcomes_of(cells))
    table = one_factor_table(found, {"loss": "contrastive", "recipe": "long"})
    assert [row[:2] for row in table.body[1:]] == [
        ["loss", "contrastive → none"],
        ["", "contrastive → snca"],
        ["recipe", "long → short"],
    ]


def test_seeds_are_averaged_and_their_spread_is_told(tmp_path):
    cells = [{**cell, "seed": seed} for cell in product(dims=[8, 16]) for seed in (0, 1)]
    x = outcomes_of(cells)
    found = matrix(tmp_path, cells, x)
    y = 100 * x.mean(axis=1)
    record = one_factor_table(found, {"dims": "8"}).numbers.to_dict("records")[1]
    assert record["Δ"] == pytest.approx((y[2] + y[3] - y[0] - y[1]) / 2)
    assert record["Δ std"] == pytest.approx(np.std([y[2] - y[0], y[3] - y[1]], ddof=1))
    alone = one_factor_table(found, {"dims": "8", "seed": "1"})
    record = alone.numbers.to_dict("records")[1]
    assert record["Δ"] == pytest.approx(y[3] - y[1])
    assert "±" not in "".join(cell for row in alone.body for cell in row)


def test_a_base_alone_is_shown(tmp_path):
    cells = [{"dims": 8}]
    alone = one_factor_table(matrix(tmp_path, cells, outcomes_of(cells)), {"dims": "8"})
    assert [row[0] for row in alone.body] == ["base"]
    assert not noted(alone, "Holm")


def test_without_outcomes_differences_have_no_tests():
    cells = product(dims=[8, 16])
    table = one_factor_table(matrix(None, cells, outcomes_of(cells)), {"dims": "8"})
    assert table.body[1][4:] == ["--", "--", "--"]
    assert table.body[1][3][-1].isdigit()
    assert noted(table, "no intervals of SOP R@1")
    assert not noted(table, "Holm")


def test_a_base_of_another_protocol_is_no_cell_that_is_shown(tmp_path):
    cells = product(dims=[8, 16, 32])
    found = matrix(tmp_path, cells, outcomes_of(cells))
    found.loc[0, "protocol.ties"] = "optimistic"
    with pytest.raises(ResultsError, match=r"no cell that is shown: left out: 1 reports"):
        one_factor_table(found, {"dims": "8"})


def test_marks_of_the_cells_are_explained(tmp_path):
    cells = product(dims=[8, 16])
    found = matrix(tmp_path, cells, outcomes_of(cells), marks=["transductive"])
    table = one_factor_table(found, {"dims": "8"})
    assert table.body[0][2].endswith("*")
    assert table.marks[0] == "SOP R@1 *"
    assert noted(table, "* projection fitted on the evaluated images")
