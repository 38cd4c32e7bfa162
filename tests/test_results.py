"""results: reports to a frame, a frame to tables in every format."""

import csv
import json
import re
import shutil

import pytest

import results
from results.names import metric_label
from results.render import as_text, write_table
from results.store import SCHEMA, DamagedReportError, ResultsError, read_reports
from results.tables import make_table
from tests.reports import frame, report


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


def test_no_reports_is_said(tmp_path):
    with pytest.raises(ResultsError, match="no finished cells yet"):
        make_table(results.load(tmp_path))
    with pytest.raises(ResultsError, match="there is no run folder"):
        results.load(tmp_path / "nowhere")


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


TABLE = make_table(frame(report(), report("kk", job__dims=64, marks=["transductive"])))


def test_every_mark_is_explained_and_harmless_in_latex():
    marked = report(
        marks=["drawn training", "seen classes", "not ok", "subset", "test-selected"],
        signature="dtype:2^-26|ties:expected",
    )
    text = as_text(make_table(frame(marked)), "latex")
    assert "52.8‡!†\\textasciitilde{}" in text
    assert "{\\footnotesize ‡ model selected on the evaluated images}" in text
    assert r"dtype:2\textasciicircum{}-26\textbar\allowbreak{}ties" in text
    assert "{\\footnotesize \\textasciitilde{} trained or fitted on images of the" in text
    assert "subset: a part of a dataset" in text


def test_datasets_that_nobody_verified_are_named():
    said = {"protocol__dataset_verified": "no (bench data verify sop)"}
    assert "not verified: sop (bench data verify)" in make_table(frame(report(**said))).notes
    verified = {"protocol__dataset_verified": "OK, content ab, 2026"}
    assert not any("verified" in note for note in make_table(frame(report(**verified))).notes)
    twin = make_table(frame(report(marks=["twin"], **said)))
    assert not any("not verified" in note for note in twin.notes)


def test_markdown():
    lines = as_text(TABLE, "markdown").splitlines()
    assert re.fullmatch(r"\| backbone +\| +dims \|.*SOP R@1 \|", lines[0])
    assert re.fullmatch(r"\|:?-+:?\|.*", lines[1])
    assert lines[3].endswith("52.8* |")
    assert lines[-2].startswith("\\* projection fitted")  # no list item in markdown


def test_latex_is_booktabs_and_escaped():
    text = as_text(TABLE, "latex")
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"deit\_s", r"metrics in \%"):
        assert part in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count("&") for line in rows}) == 1


def test_csv_is_unrounded():
    text = as_text(TABLE, "csv")
    rows = list(csv.DictReader(line for line in text.splitlines() if line[0] != "#"))
    assert float(rows[0]["SOP R@1"]) == pytest.approx(52.84)
    assert [row["marks"] for row in rows] == ["", "SOP R@1 *"]
    assert "# * projection fitted on the evaluated images" in text


@pytest.mark.parametrize("form", ["rich", "markdown", "latex", "csv"])
def test_every_format_goes_to_a_file(tmp_path, form, capsys):
    write_table(TABLE, form, tmp_path / "table.txt")
    assert "52.8" in (tmp_path / "table.txt").read_text()
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["table.txt"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ResultsError, match=r"cannot write .*nowhere"):
        write_table(TABLE, "csv", tmp_path / "nowhere" / "table.csv")


def test_the_smoke_runs_frame_is_tidy(smoke):
    loaded = results.load(smoke)
    assert len(loaded) == 20
    assert set(loaded["backbone"]) == {"tiny_vit", "tiny_conv"}
    assert loaded["r@1"].dropna().between(0, 1).all()
    assert (loaded["dims"] == loaded["dims_measured"]).all()
    assert (loaded["bytes_per_image"] == 4 * loaded["dims"]).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:100], "cannot read the report"),
        (lambda text: text.replace(f'"schema": {SCHEMA}', '"schema": 99'), "has schema 99"),
    ],
)
def test_a_damaged_report_is_named(smoke, tmp_path, damage, message):
    shutil.copytree(smoke / "reports", tmp_path / "reports")
    victim = next((tmp_path / "reports").glob("*.json"))
    victim.write_text(damage(victim.read_text()))
    with pytest.raises(DamagedReportError, match=message):
        list(read_reports(tmp_path))


def test_reports_say_everything(smoke):
    one = next(read_reports(smoke))
    assert set(one["spec"]) >= {"model", "extraction", "features", "descriptors", "scores"}
    assert one["protocol"]["self_match"]
    assert all(isinstance(text, str) and text for text in one["protocol"].values())
    assert one["signature"].startswith("data:")
    recall = [name for name in one["metrics"] if name.startswith("r@")]
    assert set(one["bounds"]) == set(recall)
    assert one["environment"]["torch"]
    assert "twin" in one["marks"]
    assert json.dumps(one["spec"]).count(str(smoke)) == 0


def test_a_size_of_its_own_tells_rows_apart_from_none():
    """test_resolution None is that of training: two rows, or one where it is the same."""
    plain = report("k", job__resolution=64)
    larger = report("kk", job__resolution=64, job__test_resolution=96)
    table = make_table(frame(plain, larger))
    assert "test_resolution" in table.headers
    assert len(table.body) == 2
    untrained = report("kk", job__resolution=96, job__backbone="deit_b")
    assert "test_resolution" not in make_table(frame(plain, untrained)).headers
