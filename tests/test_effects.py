"""results.effects: the tables, against plain means and hand-made contrasts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.analysis.resampling import bootstrap_each
from results.effects import effects_tables
from results.outcomes import Outcomes
from results.render import as_text
from results.stats.intervals import bootstrap
from results.store import DamagedReportError, ResultsError
from tests.matrices import QUERIES, by_class, matrix, outcomes_of, product, write_outcomes
from tests.reports import frame, report

SQUARE = product(backbone=["conv", "vit"], dims=[8, 16])


def rows(table):
    """Unrounded numbers by the first two columns, or the first of the variance."""
    keys = table.headers[: 1 if table.headers[0].startswith("share") else 2]
    return table.numbers.set_index(keys if len(keys) > 1 else keys[0])


def texts(table):
    return {tuple(row[:2]): row[2:] for row in table.body}


def noted(table, part):
    return [note for note in table.notes if part in note]


def assert_is(record, interval, header="SOP R@1"):
    ends = record[f"{header} low"], record[f"{header} high"]
    assert ends == pytest.approx((100 * interval.low, 100 * interval.high))


# numbers


def test_effects_and_their_intervals_are_those_of_contrasts_by_hand(tmp_path):
    x = outcomes_of(SQUARE)
    variance, main, pairs = effects_tables(matrix(tmp_path, SQUARE, x))
    conv = by_class((x[0] + x[1] - x[2] - x[3]) / 4)
    record = rows(main).loc[("backbone", "conv")]
    assert record["SOP R@1"] == pytest.approx(100 * conv.mean)
    assert_is(record, bootstrap(conv))
    together = by_class((x[0] - x[1] - x[2] + x[3]) / 4)
    (record,) = rows(pairs).to_dict("records")  # of two by two there is one
    sign = 1 if together.mean > 0 else -1
    assert record["SOP R@1"] == pytest.approx(100 * abs(together.mean))
    assert_is(record, bootstrap(by_class(sign * together.per_query)))
    y = x.mean(axis=1)
    total = ((y - y.mean()) ** 2).sum()
    shares = rows(variance)["SOP R@1"]
    assert shares["backbone"] == pytest.approx(100 * 4 * conv.mean**2 / total)
    assert shares["two-way interactions"] == pytest.approx(100 * 4 * together.mean**2 / total)
    assert (shares["cells"], shares["residual d.f."]) == (4, 1)
    assert "rest" not in shares.index  # two-way interactions of two axes leave none


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 4))
def test_many_intervals_at_once_are_those_of_one_at_a_time(seed, units, n):
    draw = np.random.default_rng(seed)
    unit_of = np.concatenate([np.arange(units), draw.integers(units, size=2 * units)])
    sizes = np.bincount(unit_of).astype(float)
    values = draw.integers(-4, 5, size=(n, len(unit_of))) / 4
    names = tuple(map(str, range(units)))
    each = [Outcomes((), row, unit_of, names, "class") for row in values]
    found = bootstrap_each(np.stack([one.sums() for one in each]), sizes, resamples=50)
    for interval, one in zip(found, each, strict=True):
        expected = bootstrap(one, resamples=50)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_one_unit_tells_nothing_of_others():
    (found,) = bootstrap_each(np.ones((1, 1)), np.ones(1))
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_what_changes_nothing_has_an_effect_of_nothing(tmp_path):
    x = outcomes_of(product(backbone=["conv", "vit"]), seed=3)
    thirds = x / 3  # sums of these are rounded
    found = matrix(tmp_path, SQUARE, [thirds[0], thirds[0], thirds[1], thirds[1]])
    main = effects_tables(found)[1]
    assert texts(main)[("dims", "8")] == ["+0.0≈ [+0.0, +0.0]"]


def test_landmarks_are_drawn_by_query(tmp_path):
    x = outcomes_of(SQUARE)
    found = matrix(tmp_path, SQUARE, x, metric="map_medium", classes=0)
    contrast = (x[0] + x[1] - x[2] - x[3]) / 4
    names = tuple(map(str, range(QUERIES)))
    expected = bootstrap(Outcomes(names, contrast, np.arange(QUERIES), names, "query"))
    assert_is(rows(effects_tables(found)[1]).loc[("backbone", "conv")], expected, "SOP M")


def test_unbalanced_cells_are_fitted(tmp_path):
    x = outcomes_of(SQUARE)[:3]
    main = effects_tables(matrix(tmp_path, SQUARE[:3], x))[1]
    y = 100 * x.mean(axis=1)
    found = rows(main)["SOP R@1"]
    assert found[("backbone", "vit")] == pytest.approx((y[2] - y[0]) / 2)
    assert found[("dims", "16")] == pytest.approx((y[1] - y[0]) / 2)


# seeds


def seeded(cells, *seeds):
    return [{**cell, "seed": seed} for cell in cells for seed in seeds]


def test_seeds_move_effects_apart_from_queries(tmp_path):
    cells = seeded(SQUARE, 0, 1, 2)
    x = outcomes_of(cells)
    variance, main, _ = effects_tables(matrix(tmp_path, cells, x))
    y = x.reshape(4, 3, -1)
    record = rows(main).loc[("backbone", "conv")]
    each = [(s[0] + s[1] - s[2] - s[3]).mean() / 4 for s in y.swapaxes(0, 1)]
    assert record["SOP R@1"] == pytest.approx(100 * np.mean(each))
    assert record["SOP R@1 std"] == pytest.approx(100 * np.std(each, ddof=1))
    mean = y.mean(axis=1)
    assert_is(record, bootstrap(by_class((mean[0] + mean[1] - mean[2] - mean[3]) / 4)))
    shares = rows(variance)["SOP R@1"]
    means = y.mean(axis=2)
    assert shares["± between seeds (points)"] == pytest.approx(
        100 * np.sqrt(means.var(axis=1, ddof=1).mean())
    )
    total = ((means - means.mean()) ** 2).sum()
    assert shares["seeds"] == pytest.approx(
        100 * ((means - means.mean(axis=1)[:, None]) ** 2).sum() / total
    )
    said = shares.drop(["± between seeds (points)", "cells", "residual d.f."])
    assert said.sum() == pytest.approx(100)


def test_a_cell_without_a_seed_is_the_same_under_all(tmp_path):
    trained = seeded([{"loss": "contrastive"}], 0, 1)
    cells = [{"loss": "none", "seed": None}, *trained]
    x = outcomes_of(cells)
    record = rows(effects_tables(matrix(tmp_path, cells, x))[1]).loc[("loss", "none")]
    y = x.mean(axis=1)
    assert record["SOP R@1"] == pytest.approx(100 * (y[0] - (y[1] + y[2]) / 2) / 2)
    assert record["SOP R@1 std"] == pytest.approx(100 * np.std([y[1] / 2, y[2] / 2], ddof=1))


def test_different_seeds_give_no_spread_of_effects(tmp_path):
    cells = [*seeded(SQUARE[:2], 0, 1), *seeded(SQUARE[2:], 2, 3)]
    variance, main, _ = effects_tables(matrix(tmp_path, cells, outcomes_of(cells)))
    assert "SOP R@1 std" not in main.numbers
    assert noted(main, "no two seeds")
    assert rows(variance)["SOP R@1"]["± between seeds (points)"] > 0


def test_an_effect_that_seeds_move_by_as_much_is_unclear(tmp_path):
    cells = seeded([{"dims": 8}, {"dims": 16}], 0, 1)
    one = np.ones(QUERIES)
    x = np.stack([0 * one, 0.5 * one, 0.25 * one, 0.5 * one])
    main = effects_tables(matrix(tmp_path, cells, x))[1]
    assert texts(main)[("dims", "8")][0].startswith("-6.2 ± 8.8≈ [")
    assert noted(main, "seeds move it by as much")


# what is there to be told


def test_one_cell_has_no_effects(tmp_path):
    with pytest.raises(ResultsError, match=r"no axis varies among .*\(SOP R@1: 1\)"):
        effects_tables(matrix(tmp_path, SQUARE[:1], outcomes_of(SQUARE[:1])))


def test_seeds_alone_are_no_axis(tmp_path):
    cells = seeded(SQUARE[:1], 0, 1)
    with pytest.raises(ResultsError, match="no axis varies"):
        effects_tables(matrix(tmp_path, cells, outcomes_of(cells)))


def test_no_reports_and_unknown_metrics_are_errors(tmp_path):
    with pytest.raises(ResultsError, match="no finished cells yet"):
        effects_tables(frame())
    with pytest.raises(ResultsError, match=r"unknown metric 'r@11'; did you mean 'r@1'"):
        effects_tables(frame(report()), ["r@11"])


def test_one_axis_has_effects_and_no_interactions(tmp_path):
    cells = product(pooling=["avg", "gem", "max"])
    variance, main = effects_tables(matrix(tmp_path, cells, outcomes_of(cells)))
    assert len(main.body) == 3
    assert rows(variance)["SOP R@1"]["pooling"] == pytest.approx(100)
    assert noted(variance, "as many effects of axes as cells")


def test_axes_that_go_together_are_said(tmp_path):
    cells = [
        {"backbone": backbone, "dims": dims, "projection": projection}
        for backbone in ("conv", "vit")
        for dims, projection in ((8, "pca"), (64, "none"))
    ]
    for table in effects_tables(matrix(tmp_path, cells, outcomes_of(cells))):
        assert noted(table, "dims+projection: among these cells each dims has one projection")
        assert "projection" not in [row[0] for row in table.body]


def test_effects_that_cannot_be_told_apart_are_refused_alone(tmp_path):
    islands = [*product(pooling=["a", "b"], dims=[8, 16]), *product(pooling=["c"], dims=[32, 64])]
    cells = [{**cell, "backbone": one} for cell in islands for one in ("vit", "conv")]
    variance, main, pairs = effects_tables(matrix(tmp_path, cells, outcomes_of(cells)))
    shown = {row[1]: row[2] for row in main.body}
    refused = {"a", "b", "c", "8", "16", "32", "64"}
    assert {value for value, text in shown.items() if text == "--"} == refused
    assert noted(main, "pooling and dims cannot be told apart")
    shares = rows(variance)["SOP R@1"]
    assert "pooling, dims" in shares.index
    assert "pooling" not in shares.index
    assert [row[0] for row in pairs.body] == ["pooling × dims"]  # a and b meet 8 and 16
    assert noted(pairs, "interactions of backbone × pooling, backbone × dims")


def test_pairs_that_are_not_crossed_are_said(tmp_path):
    cells = [{"backbone": b, "dims": d} for b, d in (("conv", 8), ("conv", 48), ("vit", 8))]
    cells.append({"backbone": "vit", "dims": 64})
    _, main = effects_tables(matrix(tmp_path, cells, outcomes_of(cells)))
    assert noted(main, "not identified by the finished cells: interactions of backbone × dims")


def test_datasets_of_the_same_metrics_stand_side_by_side(tmp_path):
    cells = product(dataset=["sop", "cub"], dims=[8, 16])
    cells += [{"dataset": "inshop", "dims": 8}]
    tables = effects_tables(matrix(tmp_path, cells, outcomes_of(cells)))
    assert len(tables) == 2
    assert tables[1].headers == ["axis", "value", "SOP R@1", "CUB R@1"]
    assert tables[1].over == ["", "", "SOP", "CUB"]
    assert noted(tables[0], "not shown: INSHOP R@1, of which no axis varies (cells: 1)")


def test_datasets_of_other_metrics_have_tables_of_their_own(tmp_path):
    cells = product(dims=[8, 16])
    categories = matrix(tmp_path, cells, outcomes_of(cells))
    landmarks = [{**cell, "dataset": "roxford"} for cell in cells]
    others = matrix(tmp_path, landmarks, outcomes_of(landmarks), metric="map_hard", classes=0)
    tables = effects_tables(pd.concat([categories, others]))
    assert [table.headers[-1] for table in tables] == ["SOP R@1"] * 2 + ["ROXFORD H"] * 2
    asked = effects_tables(pd.concat([categories, others]), ["map_hard"])
    assert [table.headers[-1] for table in asked] == ["ROXFORD H"] * 2


def test_a_value_that_a_dataset_lacks_has_no_number(tmp_path):
    cells = [*product(dims=[8, 16]), *product(dataset=["cub"], dims=[8, 32])]
    main = effects_tables(matrix(tmp_path, cells, outcomes_of(cells)))[1]
    assert [row[1] for row in main.body] == ["8", "16", "32"]
    assert [text == "--" for text in main.body[1][2:]] == [False, True]
    assert np.isnan(rows(main).loc[("dims", "16"), "CUB R@1"])


def test_the_best_value_of_each_axis_is_emphasised(tmp_path):
    cells = product(pooling=["avg", "gem", "max"])
    one = np.ones(QUERIES)
    main = effects_tables(matrix(tmp_path, cells, [0.5 * one, 0.75 * one, 0.75 * one]))[1]
    assert [main.emphasis_of(row, 2) for row in range(3)] == ["", "best", "best"]


def test_names_are_escaped_by_every_format(tmp_path):
    cells = product(dataset=["a_b & <c>"], backbone=["vit_s", "<script>&_"], dims=[8, 16])
    tables = effects_tables(matrix(tmp_path, cells, outcomes_of(cells)))
    assert ["backbone", "<script>&_"] in [row[:2] for row in tables[1].body]
    markdown = "".join(as_text(table, "markdown") for table in tables)
    assert "<script>" not in markdown
    latex = "".join(as_text(table, "latex") for table in tables)
    assert r"\textless{}script\textgreater{}\&\_" in latex


# what is left out


def test_without_outcomes_there_are_numbers_and_no_intervals(tmp_path):
    x = outcomes_of(SQUARE)
    found = matrix(None, SQUARE, x)
    main = effects_tables(found)[1]
    expected = 50 * (x[0] + x[1] - x[2] - x[3]).mean() / 2
    assert texts(main)[("backbone", "conv")] == [f"{expected:+.1f}"]
    assert noted(main, "no intervals of SOP R@1")
    found = matrix(tmp_path, SQUARE, x)
    (tmp_path / "sop-2.parquet").unlink()
    main = effects_tables(found)[1]
    assert "SOP R@1 low" not in main.numbers
    assert noted(main, "per-query outcomes of 1 reports are gone")


def test_damaged_outcomes_are_an_error(tmp_path):
    found = matrix(tmp_path, SQUARE, outcomes_of(SQUARE))
    with pytest.raises(DamagedReportError, match="checksum"):
        effects_tables(found.assign(per_query_sha256="0" * 64))


def test_other_queries_are_not_paired(tmp_path):
    x = outcomes_of(SQUARE)
    found = matrix(tmp_path, SQUARE, x)
    write_outcomes(tmp_path / "sop-1.parquet", x[1], queries=range(1, QUERIES + 1))
    main = effects_tables(found)[1]
    assert "SOP R@1 low" not in main.numbers
    assert noted(main, "they asked different queries")


def test_another_protocol_is_no_effect(tmp_path):
    cells = product(dims=[8, 16, 32])
    found = matrix(tmp_path, cells, outcomes_of(cells))
    found.loc[2, "protocol.ties"] = "optimistic"
    variance, main = effects_tables(found)
    assert [row[1] for row in main.body] == ["8", "16"]
    assert noted(variance, "left out: 1 reports measured under another protocol")
    assert noted(variance, "ties (expected / optimistic)")


def test_older_reports_of_a_cell_are_not_counted(tmp_path):
    cells = [{"dims": 8}, {"dims": 16}, {"dims": 8}]
    x = outcomes_of(cells)
    variance, main = effects_tables(matrix(tmp_path, cells, x))
    assert rows(main)["SOP R@1"][("dims", "8")] == pytest.approx(50 * (x[2] - x[1]).mean())
    assert noted(variance, "1 older reports of the same cells are not counted")


def test_the_largest_interactions_of_each_pair_come_first(tmp_path):
    cells = product(backbone=["conv", "vit"], pooling=["avg", "gem", "max"], dims=[8, 16])
    x = outcomes_of(cells) / 8
    x[0] += 0.5  # conv avg 8
    x[1] += 0.5  # conv avg 16
    pairs = effects_tables(matrix(tmp_path, cells, x))[2]
    sizes = pairs.numbers["SOP R@1"].abs()
    assert pairs.body[0][:2] == ["backbone × pooling", "conv × avg"]
    assert [row[0] for row in pairs.body].count("") == 2  # one of two by two, two of the others
    first = [place for place, row in enumerate(pairs.body) if row[0]]
    assert list(sizes[first]) == sorted(sizes[first], reverse=True)
    assert len(set(sizes.round(9))) == len(sizes)  # none is another's negative
