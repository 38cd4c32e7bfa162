"""bench check: the gate from the command line, on run folders made by hand."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from bench.check_cli import check
from results.gate.baseline import baseline_text, read_baseline
from results.gate.pages import LONGEST, as_markdown, escaped
from results.gate.regress import Rules, check_run
from results.gate.view import shown, telling_axes
from tests.gate_runs import (
    CARD,
    finished,
    flipped,
    hits,
    stages,
    successes,
    write_cell,
    write_failure,
)
from tests.run_folders import change_json

VALUES = successes()
HOSTILE = "a_b*c & <script>alert(1) | `x` @team #7"
ARABIC = "قطط سوداء"


@pytest.fixture
def gate(tmp_path):
    """Call bench check on a baseline of the session's folder."""

    def call(*words, runs="runs", exit_code=0):
        arguments = [gate.baseline, "--runs", tmp_path / runs, *words]
        result = CliRunner().invoke(check, [str(argument) for argument in arguments])
        assert result.exit_code == exit_code, result.output
        return result.output

    gate.baseline = tmp_path / "baseline.json"
    call.path, call.folder = gate.baseline, tmp_path
    return call


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A run of three cells, two sizes of one backbone and landmarks, and its baseline."""
    folder = tmp_path_factory.mktemp("gate")
    write_all(folder / "runs")
    arguments = [str(folder / "baseline.json"), "--runs", str(folder / "runs"), "--update"]
    assert CliRunner().invoke(check, arguments).exit_code == 0
    return folder


@pytest.fixture
def held(gate, drawn):
    """The gate with a baseline, and the run that it was made of."""
    shutil.copytree(drawn, gate.folder, dirs_exist_ok=True)
    return gate


def write_all(runs, values=VALUES, **changes):
    landmarks = {name: np.random.default_rng(1).random(70) for name in ("map_medium", "map_hard")}
    write_cell(runs, "a", {"r@1": values}, job__dims=128, **changes)
    write_cell(runs, "b", {"r@1": flipped(values, hits(values, 10))}, **changes)
    write_cell(
        runs,
        "c",
        landmarks,
        classes=None,
        headline=[*landmarks],
        job__dataset="roxford",
        job__dataset_title="ROxford",
        job__crop="box",
    )


def test_a_rerun_is_green(held):
    output = held()
    assert output.count("✓ same") == 4
    assert "✓ green: none of 3 cells fails; 3 the same" in output
    assert "✗" not in output


def test_a_flipped_query_is_green(held):
    write_all(held.folder / "runs", flipped(VALUES, hits(VALUES, 1)))
    output = held()
    assert "✓ within noise" in output
    assert "green" in output


def test_a_regression_is_red(held):
    write_all(held.folder / "runs", flipped(VALUES, hits(VALUES, 40)))
    output = held(exit_code=1)
    assert "✗ sop 128: R@1 worse" in output
    assert "✗ red: 2 of 3 cells fail (2 worse); 1 the same" in output


def test_another_crop_is_red_whatever_the_numbers(held):
    runs = held.folder / "runs"
    change_job(runs, "c", crop="none")
    output = held(exit_code=1)
    assert "missing; the run has, in its place, crop: box -> none" in output
    assert "✗ red: 1 of 3 cells fails (1 missing); 2 the same, 1 not in the baseline" in output
    assert "not in the baseline, so not checked: roxford 384 none" in output


def change_job(runs, key, **changes):
    path = runs / "reports" / f"{key}.json"
    change_json(path, job={**json.loads(path.read_text())["job"], **changes})


def test_another_way_of_cropping_is_red_too(held):
    write_all(held.folder / "runs", protocol={**CARD, "query_crop": "to bbx in native pixels"})
    output = held(exit_code=1)
    assert "2 cells (sop 128, sop 384): protocol changed: query_crop: none -> to bbx" in output
    assert "✗ changed" in output


def test_a_missing_cell_says_that_it_failed(held):
    path = held.folder / "runs" / "reports" / "a.json"
    job = json.loads(path.read_text())["job"]
    path.unlink()
    write_failure(held.folder / "runs", job)
    assert "it failed (WorkError: the loss is no number)" in held(exit_code=1)


def test_an_update_makes_a_baseline_and_then_says_what_it_changes(gate):
    runs = gate.folder / "runs"
    write_all(runs)
    output = gate("--update")
    assert output.count("added, ") == 3
    assert f"+ sop 128: added, R@1 {100 * VALUES.mean():.2f}" in output
    text = gate.path.read_text()
    assert gate("--update").strip() == "3 of 3 cells as before"
    assert gate.path.read_text() == text
    write_all(runs, flipped(VALUES, hits(VALUES, 1)))
    (runs / "reports" / "c.json").unlink()
    output = gate("--update")
    before, after = 100 * VALUES.mean(), 100 * VALUES.mean() - 0.5
    assert f"~ sop 128: R@1 {before:.2f} -> {after:.2f} (-0.50)" in output
    assert "- roxford 384: removed" in output
    assert "roxford" not in gate.path.read_text()
    assert gate().count("same") == 3


def test_an_update_says_where_equal_numbers_are_of_other_queries(gate):
    runs = gate.folder / "runs"
    write_cell(runs)
    gate("--update")
    hit, miss = hits(VALUES)[0], int(np.flatnonzero(VALUES == 0)[0])
    write_cell(runs, "k", {"r@1": flipped(VALUES, [hit, miss])})
    assert "as before, of other queries" in gate("--update")


def test_metrics_that_were_asked_for_stay_in_the_baseline(gate):
    runs = gate.folder / "runs"
    write_cell(runs, "k", {"r@1": VALUES, "map@r": VALUES / 3})
    gate("--update", "--metric", "MAP@R")
    gate("--update")
    assert gate().count("✓ same") == 2
    assert gate("--metric", "map@r").count("✓ same") == 1


def test_a_metric_that_does_not_fail_is_no_cross_in_a_cell_that_does(gate):
    runs = gate.folder / "runs"
    write_cell(runs, "k", {"r@1": VALUES, "map@r": VALUES / 3})
    gate("--update", "--metric", "map@r")
    write_cell(runs, "k", {"r@1": flipped(VALUES, hits(VALUES, 40)), "map@r": VALUES / 3})
    output = gate(exit_code=1)
    assert re.search("R@1 .* ✗ worse", output)
    assert re.search("MAP@R .* ✓ same", output)


def test_a_tolerance_is_in_points(held):
    write_all(held.folder / "runs", flipped(VALUES, hits(VALUES, 40)))
    held("--tolerance", "10", exit_code=1)
    assert "difference is below -50 and" in held("--tolerance", "50")


def test_both_ways_is_red_where_a_number_is_better(held):
    write_all(held.folder / "runs", np.ones(len(VALUES)))
    assert "--update takes it over" in held()
    output = held("--both-ways", exit_code=1)
    assert "(2 better)" in output
    assert "difference is beyond ±0.1 and" in output


def test_a_slower_cell_is_red_only_if_that_is_asked_for(held):
    write_all(held.folder / "runs", stages=stages(100))
    assert "slower by more than 1.5 times: 2 cells" in held()
    assert "(2 slower)" in held("--max-slowdown", "3", exit_code=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "r@7"], "unknown metric 'r@7'"),
        (["--update", "--metric", "r@7"], "unknown metric 'r@7'"),
        (["--tolerance", "-1"], "--tolerance"),
        (["--tolerance", "nan"], "is no number"),
        (["--max-slowdown", "0.5"], "--max-slowdown"),
        (["--max-slowdown", "nan"], "--max-slowdown"),
        (["--update", "--junit", "x.xml"], "--update compares nothing"),
        (["--markdown", "no/such/folder.md"], "cannot write"),
    ],
)
def test_a_wrong_request_is_exit_code_2(held, words, said):
    assert said in held(*words, exit_code=2)


def test_what_is_not_there_is_exit_code_2(gate):
    assert "there is no baseline" in gate(exit_code=2)
    assert "there is no run folder" in gate("--update", exit_code=2)
    (gate.folder / "runs").mkdir()
    assert "no finished cells" in gate("--update", exit_code=2)
    assert not gate.path.exists()


def test_what_is_no_baseline_is_not_overwritten(held):
    held.path.write_text("my notes")
    for words in ([], ["--update"]):
        assert "cannot read the baseline" in held(*words, exit_code=2)
    assert held.path.read_text() == "my notes"


def test_an_edited_report_is_refused(held):
    path = held.folder / "runs" / "reports" / "a.json"
    path.write_text(path.read_text().replace("deit_s", "deit_b"))
    assert "changed after it was written" in held(exit_code=1)


def test_edited_outcomes_are_refused(held):
    import pandas as pd

    path = held.folder / "runs" / "reports" / "a.parquet"
    pd.read_parquet(path).to_parquet(path, compression="gzip")
    assert "its checksum is wrong" in held(exit_code=1)


def test_of_reports_of_one_cell_the_last_counts(held):
    write_cell(
        held.folder / "runs",
        "older",
        {"r@1": np.zeros(len(VALUES))},
        job__dims=128,
        finished="2025-01-01",
    )
    assert "green" in held()


def folder(runs, key, path):
    write_cell(runs, key, job__dataset=f"folder:{path}", job__weights=f"dir:{path}/weights")


def test_where_images_and_weights_lie_is_no_part_of_a_baseline(gate):
    folder(gate.folder / "runs", "k", "/home/me/photos")
    gate("--update")
    assert "/home" not in gate.path.read_text()
    folder(gate.folder / "elsewhere", "other", "/srv/ci/photos")
    assert "✓ same" in gate(runs="elsewhere")


def test_two_cells_that_differ_in_paths_alone_are_refused(gate):
    folder(gate.folder / "runs", "k", "/home/me/photos")
    folder(gate.folder / "runs", "kk", "/home/you/photos")
    output = gate("--update", exit_code=2)
    assert "folder:/home/me/photos and folder:/home/you/photos" in output


@pytest.fixture
def hostile(gate):
    """A baseline whose names are hostile, and a run that is worse and lacks a cell."""
    runs = gate.folder / "runs"
    names = {"a": HOSTILE, "b": ARABIC, "c": "esc\x1b[31m\u202egnp"}
    for key, name in names.items():
        write_cell(runs, key, job__dataset=f"folder:{name}", job__dataset_title=name)
    gate("--update")
    for key in "ab":
        name = names[key]
        worse = {"r@1": flipped(VALUES, hits(VALUES, 40))}
        write_cell(runs, key, worse, job__dataset=f"folder:{name}", job__dataset_title=name)
    (runs / "reports" / "c.json").unlink()
    return gate


def test_hostile_names_do_nothing_to_a_comment(hostile):
    page = hostile.folder / "comment.md"
    output = hostile("--markdown", page, exit_code=1)
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert r"a\_b\*c &amp; " in text
    assert r"\| \`x\` @<!-- -->team #<!-- -->7" in text
    for sign in ("\x1b", "\u202e"):
        assert sign not in text
        assert sign not in output
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line[:1] == "|"}
    assert len(columns) == 1
    assert f"\u2068{ARABIC}\u2069" in text
    assert text.startswith("### Retrieval quality: ✗ red: 3 of 3 cells fail (2 worse, 1 missing)")
    assert "<details><summary>3 numbers</summary>" in text


class Cells(HTMLParser):
    """The text of every table cell of a page, and the names of its tags."""

    def __init__(self):
        super().__init__()
        self.texts, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data


def test_a_comment_shows_names_as_they_are(hostile):
    """Rendered by another program: nothing of a name is formatting, HTML or a column."""
    page = hostile.folder / "comment.md"
    hostile("--markdown", page, exit_code=1)
    parser = Cells()
    parser.feed(MarkdownIt("commonmark").enable("table").render(page.read_text()))
    texts = [text.strip() for text in parser.texts]
    assert f"folder:{HOSTILE}" in texts
    assert f"folder:\u2068{ARABIC}\u2069" in texts
    allowed = {"h3", "ul", "li", "p", "br", "details", "summary"}
    assert parser.tags <= allowed | {"table", "thead", "tbody", "tr", "th", "td"}


def test_junit_has_a_case_for_each_cell_and_is_xml(hostile):
    page = hostile.folder / "junit.xml"
    hostile("--junit", page, exit_code=1)
    root = ElementTree.parse(page).getroot()
    suite = root.find("testsuite")
    assert (root.tag, suite.get("tests"), suite.get("failures")) == ("testsuites", "3", "3")
    cases = suite.findall("testcase")
    assert [case.find("failure").get("type") for case in cases] == ["worse", "missing", "worse"]
    assert cases[0].get("classname") == HOSTILE
    assert "R@1 worse" in cases[0].find("failure").text
    assert "\ufffd[31m\ufffdgnp" in cases[1].get("name")
    assert suite.find("system-out").text.startswith("✗ red")


def test_junit_of_a_green_run_has_no_failures(held):
    page = held.folder / "junit.xml"
    held("--junit", page)
    suite = ElementTree.parse(page).getroot().find("testsuite")
    assert suite.get("failures") == "0"
    assert not suite.findall("testcase/failure")
    assert "mAP M" in suite.findall("testcase/system-out")[0].text


def test_a_comment_is_never_too_long_and_keeps_what_fails():
    names = [f"{'x' * 300}{place}" for place in range(250)]
    old = [finished(axes={"seed": name}) for name in names]
    worse = finished({"r@1": flipped(VALUES, hits(VALUES, 60))}, axes={"seed": names[-1]})
    text = as_markdown(check_run([one.entry for one in old], [*old[:-1], worse], Rules(), {}))
    assert len(text) <= LONGEST
    assert "more rows would be too long" in text
    assert [line for line in text.splitlines() if line[:1] == "|" and "✗ worse" in line]
    whole = as_markdown(check_run([one.entry for one in old[:9]], old[:9], Rules(), {}))
    assert "too long" not in whole


def test_a_comment_with_very_many_reasons_is_cut():
    values = {"r@1": np.ones(2)}
    new = [finished(values, axes={"seed": str(place)}) for place in range(200)]
    card = new[0].entry.protocol
    old = [
        finished(values, axes={"seed": f"{place}"}, protocol={**card, "ks": "x" * (200 + place)})
        for place in range(200)
    ]
    text = as_markdown(check_run([one.entry for one in old], new, Rules(), {}))
    assert len(text) <= LONGEST
    assert "more reasons" in text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("R@1", "R@1"),
        ("@me", "@<!-- -->me"),
        ("photos@split=classes", "photos@split=classes"),
        ("a_b", r"a\_b"),
        ("<b>", "&lt;b&gt;"),
        ("a|b", r"a\|b"),
    ],
)
def test_what_github_would_act_on_is_escaped(text, kept):
    assert escaped(text) == kept


def test_right_to_left_words_are_isolated_together():
    assert shown(f"dataset: {ARABIC} -> שלום, 3") == (
        f"dataset: \u2068{ARABIC}\u2069 -> \u2068שלום\u2069, 3"
    )


def test_rows_are_told_apart_by_as_few_axes_as_needed():
    rows = [("vit", "cls", "1"), ("conv", "gem", "1"), ("conv", "gem", "2")]
    entries = [
        finished(axes=dict(zip(("backbone", "pooling", "seed"), row, strict=True))).entry
        for row in rows
    ]
    assert telling_axes(entries) == ["backbone", "seed"]
    assert telling_axes(entries[:1]) == ["dataset", "backbone"]


BASELINES = sorted((Path(__file__).parent.parent / "results" / "baselines").glob("*.json"))


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: path.stem)
def test_the_projects_own_baselines_are_as_they_would_be_written(path):
    text = path.read_text(encoding="utf-8")
    assert baseline_text(read_baseline(path)) == text
    assert not re.search(r"(folder|dir|file|twin):[^\"]*/", text)


def test_the_smoke_preset_is_as_good_as_it_was(smoke):
    """Trained numbers differ between processors by more than queries explain: up to 5 points."""
    (path,) = (path for path in BASELINES if path.stem == "smoke")
    arguments = [str(path), "--runs", str(smoke), "--tolerance", "5"]
    result = CliRunner().invoke(check, arguments)
    assert result.exit_code == 0, result.output


def test_a_check_imports_no_torch():
    code = (
        "import sys, bench.check_cli; assert not {'numpy', 'rich'} & {*sys.modules}\n"
        "import bench.check_command; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
