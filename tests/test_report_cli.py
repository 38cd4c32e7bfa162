"""bench.report_cli: bench report and bench compare, as people type them."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli import main
from results.store import per_query_path, report_path
from tests.reports import cell
from tests.run_folders import change_json

ROOT = Path(__file__).resolve().parent.parent
LANDMARKS = {"job__dataset": "roxford", "job__dataset_title": "ROxford"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three rows on SOP, of three classes, and the first two on ROxford: to be read only."""
    runs = tmp_path_factory.mktemp("runs")
    values = {8: [1, 0, 0, 0, 0, 0], 16: [1, 1, 1, 1, 1, 0], 32: [1, 1, 0, 1, 0, 0]}
    for dims, outcomes in values.items():
        changes = {"job__dims": dims, "cost__gmacs": dims / 16}
        cell(runs, f"5{dims}", outcomes, classes="aabbcc", finished=f"{dims:02d}", **changes)
        maps = {"map_medium": [value / 2 for value in outcomes], "map_hard": [0.25] * 6}
        both = {"headline": ["map_medium", "map_hard"], **changes, **LANDMARKS}
        if dims < 32:
            cell(runs, f"7{dims}", maps, finished=f"{dims:02d}b", **both)
    return runs


@pytest.fixture
def own(runs, tmp_path):
    """The same, to be damaged."""
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def call(*words, exit_code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    unexpected = result.exception and not isinstance(result.exception, SystemExit)
    assert not unexpected, result.exc_info
    assert result.exit_code == exit_code, result.output
    return " ".join(result.output.split())


def json_of(*words):
    result = CliRunner().invoke(main, [*map(str, words), "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_report_prints_what_is_finished(runs):
    text = call("report", "--runs", runs)
    assert "deit_s 8 21.7 0.50 1536 16.7 8.3 25.0" in text
    assert "deit_s 32 21.7 2.00 1536 50.0 -- --" in text
    assert "signature: data:sop@1234|ties:expected" in text


def test_rows_columns_and_metrics_are_those_asked_for(runs):
    words = ("--rows", "backbone,dims", "--cols", "dataset", "--metric", "R@1,Map_Hard")
    rows = json_of("report", "--runs", runs, *words)["rows"]
    assert [list(row)[-3:] for row in rows] == [["SOP R@1", "ROxford H", "marks"]] * 3
    by_dims = json_of("report", "--runs", runs, "--rows", "dataset", "--cols", "dims")["rows"]
    assert [row["dataset"] for row in by_dims] == ["sop", "roxford"]
    assert by_dims[0]["dims=16 R@1"] == pytest.approx(500 / 6)


def test_groups_intervals_and_a_baseline_go_together(runs):
    words = ("--group", "gmacs", "--intervals", "bootstrap", "--baseline", "dims=8")
    found = json_of("report", "--runs", runs, *words)
    assert [row["group"] for row in found["rows"]] == ["GMACs 0.5", "GMACs 1", "GMACs 2"]
    assert all(row["SOP R@1 low"] <= row["SOP R@1"] <= row["SOP R@1 high"] for row in found["rows"])
    assert found["rows"][0]["marks"] == ""
    assert found["rows"][1]["marks"] == "SOP R@1 ≈; ROxford M ≈; ROxford H ≈"
    text = " ".join(found["notes"])
    assert "BCa bootstrap" in text
    assert "baseline: deit_s 8" in text
    assert "Holm's correction for 4 comparisons" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rows", "bakbone"), "unknown axis 'bakbone'; did you mean 'backbone'"),
        (("--cols", "title"), "unknown axis 'title'"),
        (("--metric", "r@3"), "unknown metric 'r@3'; did you mean 'r@1'"),
        (("--group", "flops"), "(known: gmacs, params, bytes, dataset, train, "),
        (("--group", "loss"), "rows cannot be grouped by loss"),
        (("--baseline", "dim=8"), "unknown axis 'dim'; did you mean 'dims'"),
        (("--baseline", "deit_s"), "--baseline \"deit_s\": 'deit_s' is no AXIS=VALUE"),
        (("--baseline", "dims=9"), '--baseline "dims=9" is no row: give one of backbone=deit_s'),
        (("--baseline", "backbone=deit_s"), '--baseline "backbone=deit_s" is several rows'),
        (("--baseline", "loss=none"), "rows have no loss (they have backbone, dims)"),
        (("--intervals", "normal"), "Invalid value for '--intervals'"),
        (("--format", "docx"), "Invalid value for '--format'"),
        (("--runs", "nowhere"), "there is no run folder nowhere: give one with --runs"),
        (("extra",), "Got unexpected extra argument (extra)"),
    ],
)
def test_a_wrong_question_about_a_table_ends_with_2(runs, words, message):
    assert message in call("report", "--runs", runs, *words, exit_code=2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("dims=8",), "Missing argument 'B'"),
        (("dims=8", "dims=9"), 'B "dims=9": no finished cell has dims=9 (16, 32, 8)'),
        (("dims=8", "dim=16"), "unknown axis 'dim'; did you mean 'dims'"),
        (("dims=8", "9"), "B '9' begins the key of no finished cell"),
        (
            ("dims=8", "backbone=deit_s"),
            'B "backbone=deit_s" is 3 cells of sop: they differ in dims',
        ),
        (("dims=32", "dataset=roxford dims=8"), "share no dataset"),
        (("dims=8", "dims=16", "--metric", "r@3"), "unknown metric 'r@3'; did you mean 'r@1'"),
        (("dims=8", "dims=16", "--classes", "-1"), "Invalid value for '--classes'"),
        (("dims=8", "dims=16", "--format", "html"), "Invalid value for '--format'"),
        (("dims=8", "dims=16", "--runs", "nowhere"), "there is no run folder nowhere"),
    ],
)
def test_a_wrong_question_about_two_rows_ends_with_2(runs, words, message):
    assert message in call("compare", "--runs", runs, *words, exit_code=2)


@pytest.mark.parametrize("words", [("report",), ("compare", "dims=8", "dims=16")])
def test_no_reports_yet_is_said(tmp_path, words):
    assert "there are no finished cells yet" in call(*words, "--runs", tmp_path, exit_code=2)


def edit(path):
    """Make a number larger, by hand."""
    text = path.read_text()
    assert '"r@1": 0.1' in text
    path.write_text(text.replace('"r@1": 0.1', '"r@1": 0.9'))


@pytest.mark.parametrize("words", [("report",), ("compare", "dims=8", "dims=16")])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit, "58.json was changed after it was written (its checksum is wrong): restore it"),
        (lambda path: change_json(path, schema=5), "has schema 5, this version reads"),
        (lambda path: path.write_text("{"), "cannot read the report"),
    ],
)
def test_a_report_that_was_damaged_ends_with_1(own, words, damage, message):
    damage(report_path(own, "58"))
    text = call(*words, "--runs", own, exit_code=1)
    assert message in text
    assert "58.json" in text


def test_outcomes_that_are_lost_end_with_1_only_where_they_are_needed(own):
    per_query_path(own, "58").unlink()
    assert "16.7" in call("report", "--runs", own)
    for words in (
        ("report", "--intervals", "wilson"),
        ("report", "--baseline", "dims=16"),
        ("compare", "dims=8", "dims=16"),
    ):
        text = call(*words, "--runs", own, exit_code=1)
        assert "cannot read the per-query outcomes" in text
        assert "delete the report and run its matrix again" in text


def test_compare_prints_a_table_of_pairs_and_one_of_classes(runs):
    found = json_of("compare", "dims=16", "dims=8", "--runs", runs)
    pairs, classes = found
    assert [row["wins"] for row in pairs["rows"]] == [4, 4, 0]
    assert pairs["notes"][:2] == ["A: dims=16", "B: dims=8"]
    assert [row["class"] for row in classes["rows"]] == ["a", "c", "b"]


def test_keys_may_be_cut_short(runs):
    assert "+66.67" in call("compare", "516", "58", "--runs", runs)


def test_how_many_classes_is_asked_and_none_is_no_table(runs):
    alone = json_of("compare", "dims=16", "dims=8", "--runs", runs, "--classes", "0")
    assert len(alone["rows"]) == 3  # one table is no list
    _, classes = json_of("compare", "dims=16", "dims=8", "--runs", runs, "--classes", "1")
    assert [row["class"] for row in classes["rows"]] == ["b"]


def test_metrics_may_be_written_in_capitals(runs):
    found = json_of("compare", "dims=16", "dims=8", "--runs", runs, "--metric", "MAP_Hard")
    assert [row["queries"] for row in found["rows"]] == [6]


@pytest.mark.parametrize("words", [("report",), ("compare", "dims=8", "dims=16")])
def test_strict_refuses_other_protocols_with_1(own, words):
    path = report_path(own, "716")
    protocol = {**json.loads(path.read_text())["protocol"], "ties": "optimistic"}
    assert "#" not in call(*words, "--runs", own, "--strict")
    change_json(path, protocol=protocol)
    call(*words, "--runs", own)
    output = own / "table.txt"
    refused = call(*words, "--runs", own, "--strict", "-o", output, exit_code=1)
    assert "columns mix protocols: ROxford M: ties (expected / optimistic)" in refused
    assert not output.exists()


@pytest.mark.parametrize("form", ["rich", "markdown", "latex", "csv", "json"])
@pytest.mark.parametrize("words", [("report",), ("compare", "dims=8", "dims=16")])
def test_every_format_goes_to_a_file(runs, tmp_path, words, form):
    path = tmp_path / "table"
    assert call(*words, "--runs", runs, "--format", form, "-o", path) == ""
    assert "R@1" in path.read_text()


@pytest.mark.parametrize("words", [("report",), ("compare", "dims=8", "dims=16")])
def test_a_file_that_cannot_be_written_ends_with_2(runs, words):
    path = runs / "nowhere" / "table"
    assert "cannot write" in call(*words, "--runs", runs, "-o", path, exit_code=2)


def test_csv_is_what_a_spreadsheet_reads(runs, tmp_path):
    call("report", "--runs", runs, "--format", "csv", "-o", tmp_path / "t.csv")
    read = pd.read_csv(tmp_path / "t.csv", comment="#")
    assert read["ROxford M"].tolist()[:2] == pytest.approx([100 / 12, 500 / 12])
    with (tmp_path / "t.csv").open() as file:
        assert next(csv.reader(file))[:3] == ["backbone", "dims", "params (M)"]


def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_help_of_both_imports_next_to_nothing():
    done = python(
        "from click.testing import CliRunner; from bench.cli import main; import sys\n"
        "for name in ('report', 'compare'):\n"
        "    result = CliRunner().invoke(main, [name, '--help'])\n"
        "    assert result.exit_code == 0 and '--format' in result.output\n"
        "found = {'torch', 'timm', 'faiss', 'numpy', 'pandas', 'pyarrow', 'rich'}\n"
        "assert not found & set(sys.modules), found & set(sys.modules)\n"
    )
    assert done.returncode == 0, done.stderr


def test_both_run_without_torch(runs):
    done = python(
        "from bench.cli import main; import sys\n"
        "def call(*words): main([*words, '--runs', sys.argv[1]], standalone_mode=False)\n"
        "call('report', '--intervals', 'bootstrap', '--baseline', 'dims=8', '--group', 'gmacs')\n"
        "call('compare', 'dims=8', 'dims=16')\n"
        "found = {'torch', 'timm', 'faiss', 'torchvision', 'scipy', 'matplotlib'}\n"
        "assert not found & set(sys.modules), found & set(sys.modules)\n",
        str(runs),
    )
    assert done.returncode == 0, done.stderr
    assert "A−B" in done.stdout
