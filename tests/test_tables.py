"""results.table and results.tables: reports pivoted into rows of axes and columns of metrics."""

import math

import pytest

import results
from results.cells import MARKS
from results.names import metric_label
from results.outcomes import read_outcomes
from results.signatures import SIGN
from results.significance import ALIKE, BETTER, WORSE
from results.stats.intervals import interval_of, wilson
from results.store import ResultsError, per_query_path
from results.tables import Extras, make_table
from tests.reports import cell, frame, report


def test_a_row_per_backbone_and_dims_with_costs_and_the_quoted_metric():
    table = make_table(frame(report(), report("kk", job__dims=128, cost__bytes_per_image=512)))
    assert table.headers == ["backbone", "dims", "params (M)", "GMACs", "bytes", "SOP R@1"]
    assert table.body == [
        ["deit_s", "384", "21.7", "4.60", "1536", "52.8"],
        ["deit_s", "128", "21.7", "4.60", "512", "52.8"],
    ]
    assert table.notes[0].startswith("metrics in %; weights=pretrained, pooling=cls")


def test_an_axis_that_tells_reports_apart_joins_the_rows():
    table = make_table(frame(report(), report("kk", job__pooling="avg")))
    assert table.headers[:3] == ["backbone", "dims", "pooling"]


def test_an_axis_that_does_not_matter_to_some_is_no_row_axis():
    trained = report("kk", job__dims=128, job__train="own", job__projection="pca")
    table = make_table(frame(report(), trained))
    assert table.headers[:3] == ["backbone", "dims", "params (M)"]
    assert "train=own" in table.notes[0]


def test_a_size_of_its_own_tells_rows_apart_from_none():
    """test_resolution None is that of training: two rows, or one where it is the same."""
    plain = report("k", job__resolution=64)
    larger = report("kk", job__resolution=64, job__test_resolution=96)
    table = make_table(frame(plain, larger))
    assert "test_resolution" in table.headers
    assert len(table.body) == 2
    untrained = report("kk", job__resolution=96, job__backbone="deit_b")
    assert "test_resolution" not in make_table(frame(plain, untrained)).headers


def selected(key, by, **values):
    marks = ["test-selected"] if by == "test" else []
    training = {"steps": 9, "selected_by": by, **{f"{name}_r@1": v for name, v in values.items()}}
    return report(key, training=training, marks=marks, job__seed=len(key))


def test_the_recall_that_a_checkpoint_was_selected_by_is_a_metric():
    one = selected("k", "validation", validation=0.625, last=0.5)
    table = make_table(frame(one), metrics=["r@1", "validation_r@1"])
    assert table.headers[-2:] == ["SOP R@1", "SOP val R@1"]
    assert table.body[0][-2:] == ["52.8", "62.5"]
    assert not any("‡" in note for note in table.notes)
    with pytest.raises(ResultsError, match="unknown metric 'last_r@1'"):
        make_table(frame(one), metrics=["last_r@1"])


def test_a_report_that_selected_nothing_has_no_such_metric():
    both = frame(selected("k", "last"), selected("kk", "validation", validation=0.5, last=0.5))
    assert make_table(both, metrics=["validation_r@1"]).body[0][-1] == "50.0"
    with pytest.raises(ResultsError, match="unknown metric 'validation_r@1'"):
        make_table(frame(selected("k", "last")), metrics=["validation_r@1"])


def test_what_selecting_on_the_test_images_gained_is_said():
    seeds = [
        selected("k", "test", selected=0.5, last=0.4),
        selected("kk", "test", selected=0.6, last=0.6),
    ]
    table = make_table(frame(*seeds))
    assert table.body[0][-1].endswith("‡")
    (gap,) = [note for note in table.notes if "honest" in note]
    assert gap.startswith("‡ R@1 at the chosen step over that at the last")
    assert gap.endswith(": SOP +5.0")
    assert "‡ model selected on the evaluated images" in table.notes


def test_the_gap_is_said_of_each_dataset_that_was_selected_on():
    cub = selected("kk", "test", selected=0.9, last=0.6)
    cub["job"] = {**cub["job"], "dataset": "cub", "dataset_title": "CUB"}
    others = selected("kkk", "validation", validation=0.9, last=0.1)
    others["job"] = {**others["job"], "dataset": "inshop", "dataset_title": "In-Shop"}
    notes = make_table(frame(selected("k", "test", selected=0.5, last=0.4), cub, others)).notes
    assert [note.rpartition(": ")[2] for note in notes if "honest" in note] == [
        "SOP +10.0, CUB +30.0"
    ]


def test_a_test_selected_report_without_the_last_recall_says_no_gap():
    table = make_table(frame(selected("k", "test")))
    assert not [note for note in table.notes if "honest" in note]


def test_seeds_are_averaged_with_their_spread():
    seeds = [
        report("k" * n, job__seed=n, metrics={"r@1": value, "r@10": 1, "map@r": 0})
        for n, value in ((1, 0.50), (2, 0.52))
    ]
    assert make_table(frame(*seeds)).body[0][-1] == "51.0 ± 1.4"


def test_reports_of_changed_inputs_are_no_seeds():
    older, newer = report("k"), report("kk", metrics={"r@1": 0.1, "r@10": 1, "map@r": 0})
    table = make_table(frame(older, newer))
    assert table.body[0][-1] == "10.0"
    assert "1 older reports of the same cells are not shown" in table.notes[-2]


def test_what_varies_by_column_is_said():
    other = report(
        "kk", job__dataset="cub", job__dataset_title="CUB", job__resolution=64, metrics={"r@1": 0}
    )
    table = make_table(frame(report(), other))
    assert "resolution: SOP 224, CUB 64" in table.notes


def test_anything_else_in_one_cell_is_refused():
    both = frame(report(), report("kk", job__loss="contrastive"))
    with pytest.raises(ResultsError, match=r"they differ in loss .*add loss to --rows"):
        make_table(both, rows=["backbone", "dims"])


def test_columns_may_be_any_axes_and_metrics():
    table = make_table(
        frame(report(), report("kk", job__dims=128, cost__bytes_per_image=512)),
        rows=["backbone"],
        cols=["dataset", "dims"],
        metrics=["r@10", "map@r"],
    )
    assert table.headers == [
        "backbone",
        "params (M)",
        "GMACs",
        "SOP dims=384 R@10",
        "SOP dims=384 MAP@R",
        "SOP dims=128 R@10",
        "SOP dims=128 MAP@R",
    ]


def test_a_missing_cell_is_two_dashes():
    other = report(
        "kk", job__dataset="cub", job__dataset_title="CUB", job__dims=128, metrics={"r@1": 0.1}
    )
    table = make_table(frame(report(), other))
    assert [row[-2:] for row in table.body] == [["52.8", "--"], ["--", "10.0"]]


def test_marks_are_explained():
    marked = report("kk", job__dims=64, marks=["twin", "transductive", "bad images left out"])
    table = make_table(frame(report(), marked))
    assert table.body[1][-1] == "52.8*+"
    text = "\n".join(table.notes)
    assert "* projection fitted on the evaluated images" in text
    assert "+ unreadable images were left out" in text
    assert "twin: drawn by code" in text


def test_datasets_that_nobody_verified_are_named():
    said = {"protocol__dataset_verified": "no (bench data verify sop)"}
    assert "not verified: sop (bench data verify)" in make_table(frame(report(**said))).notes
    verified = {"protocol__dataset_verified": "OK, content ab, 2026"}
    assert not any("verified" in note for note in make_table(frame(report(**verified))).notes)
    twin = make_table(frame(report(marks=["twin"], **said)))
    assert not any("not verified" in note for note in twin.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": ["bakbone"]}, "unknown axis 'bakbone'; did you mean 'backbone'"),
        ({"metrics": ["r@3"]}, r"unknown metric 'r@3'; did you mean 'r@1\d?'\? \(known: map@r"),
    ],
)
def test_what_is_wrong_is_said(options, message):
    with pytest.raises(ResultsError, match=message):
        make_table(frame(report()), **options)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("r@1", "R@1"),
        ("map@r", "MAP@R"),
        ("map_hard", "H"),
        ("mp@10_medium", "mP@10 M"),
        ("map", "mAP"),
        ("mrr", "MRR"),
        ("r-precision", "R-Prec"),
    ],
)
def test_metrics_have_the_fields_names(name, label):
    assert metric_label(name) == label
    table = make_table(frame(report(metrics={name: 0.25})), metrics=[name])
    assert table.headers[-1] == f"SOP {label}"
    assert table.body[0][-1] == "25.0"


def test_what_only_begins_like_a_metric_is_none():
    others = frame(report(cost__mapped=1, cost__mrrs=1, bounds={"r@1": [0.5, 0.6]}))
    with pytest.raises(ResultsError, match=r"known: map@r, r@1, r@10\)"):
        make_table(others, metrics=["mapped"])


def test_no_reports_is_said(tmp_path):
    with pytest.raises(ResultsError, match="no finished cells yet: bench run makes some"):
        make_table(results.load(tmp_path))


def test_one_report_is_a_table_of_one_row(tmp_path):
    cell(tmp_path, "k", [1.0, 0.0, 0.0])
    table = make_table(results.load(tmp_path), extras=Extras(group="gmacs", intervals="wilson"))
    assert table.body == [["deit_s", "384", "21.7", "4.60", "1536", "33.3 [6.1, 79.2]"]]
    assert table.groups == ["GMACs 4.6"]
    assert table.group_starts() == {0: "GMACs 4.6"}
    assert table.emphasis == [[""] * 6]


def test_every_mark_is_explained_once():
    marked = report(
        marks=["drawn training", "seen classes", "not ok", "subset", "test-selected", "twin"]
    )
    table = make_table(frame(marked, report("kk", job__dims=8, marks=["not ok", "transductive"])))
    assert [row[-1] for row in table.body] == ["52.8‡!†~", "52.8*!"]
    assert table.marks == ["SOP R@1 ‡!†~", "SOP R@1 *!"]
    assert [note for note in table.notes if note[0] in "‡*!†~+=#"] == [
        "‡ model selected on the evaluated images",
        "* projection fitted on the evaluated images (transductive)",
        "! the doctor found something wrong with the dataset: bench data verify",
        "† trained or fitted on drawn images (a twin)",
        "~ trained or fitted on images of the evaluated classes",
    ]
    assert [note[:6] for note in table.notes if note[:5] in ("subse", "twin:")] == [
        "twin: ",
        "subset",
    ]


def test_every_sign_stands_for_one_thing():
    signs = [sign for sign, _ in MARKS.values()] + [BETTER, WORSE, ALIKE, SIGN]
    assert len(set(signs)) == len(signs)


def test_numbers_are_unrounded_and_costs_in_their_columns_unit():
    table = make_table(frame(report(metrics={"r@1": 1 / 3})))
    (row,) = table.numbers.to_dict("records")
    assert list(row) == table.headers
    assert row["SOP R@1"] == pytest.approx(100 / 3, rel=1e-14)
    assert (row["params (M)"], row["GMACs"], row["bytes"]) == (21.665664, 4.598, 1536.0)


def test_numbers_of_seeds_and_intervals_have_columns_of_their_own(tmp_path):
    for seed, outcomes in ((0, [1, 0, 1, 0]), (1, [1, 1, 1, 0])):
        cell(tmp_path, f"a{seed}", outcomes, job__seed=seed)
    cell(tmp_path, "b", [1, 0, 0, 0], job__dims=8, job__seed=0)
    table = make_table(results.load(tmp_path), extras=Extras(intervals="wilson"))
    names = [name for name in table.numbers.columns if name.startswith("SOP")]
    assert sorted(names) == ["SOP R@1", "SOP R@1 high", "SOP R@1 low", "SOP R@1 std"]
    by_dims = table.numbers.set_index("dims")
    assert by_dims.loc["384", "SOP R@1"] == 62.5
    assert by_dims.loc["384", "SOP R@1 std"] == pytest.approx(12.5 * 2**0.5)
    assert math.isnan(by_dims.loc["8", "SOP R@1 std"])
    assert by_dims.loc["8", "SOP R@1 low"] == pytest.approx(100 * wilson(0.25, 4).low)
    assert by_dims.loc["8", "SOP R@1 high"] == pytest.approx(100 * wilson(0.25, 4).high)


def test_an_interval_is_explained_and_only_then():
    assert not any(note.startswith("[ ]") for note in make_table(frame(report())).notes)


@pytest.mark.parametrize(
    ("method", "said"), [("bootstrap", "BCa bootstrap over classes"), ("wilson", "Wilson, queries")]
)
def test_intervals_are_shown_and_said_how(tmp_path, method, said):
    cell(tmp_path, "k", [1, 0, 1, 1], classes="aabb")
    table = make_table(results.load(tmp_path), extras=Extras(intervals=method))
    (note,) = [note for note in table.notes if note.startswith("[ ]: 95 % interval")]
    assert said in note
    assert "± is the standard deviation over seeds, apart from it" in note
    found = interval_of(read_outcomes(per_query_path(tmp_path, "k"), "r@1"), method)
    assert table.body[0][-1] == f"75.0 [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def test_what_is_above_the_headers_is_their_beginning():
    landmarks = report(
        "kk",
        job__dataset="roxford",
        job__dataset_title="ROxford",
        metrics={"map_medium": 0.5, "map_hard": 0.25},
        headline=["map_medium", "map_hard"],
    )
    table = make_table(frame(report(), landmarks))
    assert table.headers[-3:] == ["SOP R@1", "ROxford M", "ROxford H"]
    assert [table.label(column) for column in range(len(table.headers))] == [
        *table.headers[:5],
        "R@1",
        "M",
        "H",
    ]
    assert table.spans() == [("SOP", 5, 5), ("ROxford", 6, 7)]


def test_two_datasets_of_one_title_are_told_apart():
    """Of folders a title is the last part of the path: numbers of both must be there."""
    first, second = (
        report(
            key, job__dataset=f"folder:{key}/test", job__dataset_title="test", metrics={"r@1": r1}
        )
        for key, r1 in (("a", 0.25), ("bb", 0.75))
    )
    table = make_table(frame(first, second))
    assert table.headers[-2:] == ["folder:a/test R@1", "folder:bb/test R@1"]
    assert table.body[0][-2:] == ["25.0", "75.0"]
    assert table.numbers.iloc[0, -2:].tolist() == [25.0, 75.0]
    assert len(table.spans()) == 2
    assert make_table(frame(first)).headers[-1] == "test R@1"


def several(*gmacs):
    """A row per cost, the best last."""
    return frame(
        *(
            report("k" * n, job__dims=n, cost__gmacs=cost, metrics={"r@1": 0.1 * n})
            for n, cost in enumerate(gmacs, start=1)
        )
    )


def test_rows_of_equal_cost_are_brought_together_with_their_best():
    table = make_table(several(4.6, 1.0, 4.7, 1.05, 1.5), extras=Extras(group="gmacs"))
    assert table.groups == [*["GMACs 1–1.05"] * 2, "GMACs 1.5", *["GMACs 4.6–4.7"] * 2]
    assert [row[1] for row in table.body] == ["2", "4", "5", "1", "3"]
    assert table.group_starts() == {0: "GMACs 1–1.05", 2: "GMACs 1.5", 3: "GMACs 4.6–4.7"}
    assert [row[-1] for row in table.emphasis] == ["second", "best", "", "second", "best"]
    assert table.numbers["dims"].tolist() == ["2", "4", "5", "1", "3"]


def test_rows_are_grouped_by_an_axis_of_theirs():
    both = [report("k" * n, job__dims=8 * (n % 2), job__backbone=f"net{n}") for n in (1, 2, 3)]
    table = make_table(frame(*both), extras=Extras(group="dims"))
    assert table.groups == ["dims 8", "dims 8", "dims 0"]
    assert [row[0] for row in table.body] == ["net1", "net3", "net2"]


def test_without_a_group_there_is_one():
    table = make_table(several(4.6, 1.0, 4.7))
    assert table.groups == []
    assert table.group_starts() == {}
    assert [row[-1] for row in table.emphasis] == ["", "second", "best"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gmac", r"unknown grouping 'gmac'; did you mean 'gmacs'\? \(known: gmacs, params, bytes"),
        ("loss", r"rows cannot be grouped by loss: it is no row axis; add it to --rows"),
        ("dataset", "rows cannot be grouped by dataset"),
    ],
)
def test_a_grouping_that_cannot_be_is_named(name, message):
    with pytest.raises(ResultsError, match=message):
        make_table(frame(report()), extras=Extras(group=name))


def test_a_cell_of_another_protocol_is_neither_best_nor_second():
    odd = report("kkk", job__dims=64, metrics={"r@1": 0.9}, protocol__ties="optimistic")
    table = make_table(frame(report(), report("kk", job__dims=8, metrics={"r@1": 0.4}), odd))
    assert [row[-1] for row in table.body] == ["52.8", "40.0", "90.0#"]
    assert [row[-1] for row in table.emphasis] == ["best", "second", ""]


def test_only_metrics_are_emphasised():
    table = make_table(several(1.0, 2.0))
    assert [row[:-1] for row in table.emphasis] == [[""] * 5] * 2


def test_a_baseline_is_named_and_every_other_cell_tested_against_it(tmp_path):
    for dims, right in ((8, 0), (16, 8), (32, 1)):
        outcomes = [1] * right + [0] * (8 - right)
        cell(tmp_path, f"d{dims}", outcomes, job__dims=dims, finished=f"2026-01-0{dims % 7}")
    loaded = results.load(tmp_path)
    table = make_table(loaded, extras=Extras(baseline={"dims": "8"}))
    assert {row[1]: row[-1] for row in table.body} == {"8": "0.0", "16": "100.0↑", "32": "12.5≈"}
    assert "baseline: deit_s 8" in table.notes
    (note,) = [note for note in table.notes if note.startswith("↑ better, ↓ worse")]
    assert note.endswith("p < 0.05 after Holm's correction for 2 comparisons")
    assert sorted(table.marks) == ["", "SOP R@1 ↑", "SOP R@1 ≈"]
    worse = make_table(loaded, extras=Extras(baseline={"dims": "16"}))
    assert {row[1]: row[-1] for row in worse.body} == {"8": "0.0↓", "16": "100.0", "32": "12.5↓"}


def test_the_baseline_is_found_where_groups_bring_rows_elsewhere(tmp_path):
    for dims, cost in ((8, 5.0), (16, 1.0)):
        outcomes = [int(dims == 8)] * 8
        cell(tmp_path, f"d{dims}", outcomes, job__dims=dims, cost__gmacs=cost, finished=str(-dims))
    extras = Extras(group="gmacs", baseline={"dims": "8"})
    table = make_table(results.load(tmp_path), extras=extras)
    assert [row[1:2] + row[-1:] for row in table.body] == [["16", "0.0↓"], ["8", "100.0"]]
