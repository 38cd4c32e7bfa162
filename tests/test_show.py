"""bench show: all that is known of a cell, done, failed or neither, and of its chain of stages."""

import json
import shutil
import subprocess
import sys

import pytest
from rich.console import Console

from bench.chain import chain_of
from bench.identity import Extraction, key_of
from bench.pages import Page
from bench.sizes import said as said_size
from results.store import failure_path, report_path
from tests.run_folders import (
    artifact_path,
    change_json,
    computed,
    finished,
    make_failure,
    make_report,
    note,
    plan_of,
    stages_of,
)


@pytest.fixture
def show(bench, tmp_path):
    def call(*words, exit_code=0):
        return bench("show", *words, "--runs", tmp_path, exit_code=exit_code).output

    return call


def values(said, title=None):
    """Names and values of a section, or of all."""
    lines = said.splitlines()
    if title is not None:
        start = next(number for number, line in enumerate(lines) if line.startswith(title))
        end = next((n for n in range(start, len(lines)) if not lines[n].strip()), len(lines))
        lines = lines[start + 1 : end]
    return {line[:25].strip(): line[25:].strip() for line in lines if line.startswith("  ")}


def test_everything_about_a_finished_cell_is_shown(show, plan, tmp_path):
    finished(plan, tmp_path)
    cell = plan.cells[0]
    report = json.loads(report_path(tmp_path, cell.key).read_text())
    said = show(cell.key)
    assert cell.job.label in said
    assert values(said)["state"] == "done"
    assert values(said)["report"] == str(report_path(tmp_path, cell.key))
    job = values(said, "Job")
    assert job["dims"] == "8"
    assert job["crop"] == "-"
    assert list(values(said, "Metrics").items()) == [
        ("r@1", "50.00 % (0.5)"),
        ("map@r", "25.00 % (0.25)"),
        ("r@10", "70.00 % (0.7, by the order of ties 0.6875 to 0.75)"),
    ]
    protocol = values(said, "Protocol")
    assert protocol["ties"] == "expected"
    assert protocol["transductive"] == "no"
    assert protocol["signature"] == report["signature"]
    assert protocol["fingerprint"] == "aaaa"
    assert values(said, "Cost")["bytes_per_image"] == "1536"
    assert values(said, "Counts") == {"queries": "10"}
    assert values(said, "Environment") == {"torch": "2"}
    assert values(said, "Marks") == {"marks": "none"}


def test_the_chain_is_shown_in_the_order_of_doing(show, plan, tmp_path):
    finished(plan, tmp_path)
    cell = plan.cells[0]
    (tmp_path / "log").mkdir()
    log = tmp_path / "log" / "extraction-0123456789abcdef.log"
    log.write_text("")
    said = show(cell.key)
    titles = [line for line in said.splitlines() if line.startswith("Stage ")]
    stages = cell.stages()
    assert titles == [
        f"Stage {number}: {type(stage).__name__} {key_of(stage)}"
        for number, stage in enumerate(stages, start=1)
    ]
    model = values(said, titles[0])
    path = artifact_path(stages[0], tmp_path)
    size = sum(file.stat().st_size for file in path.iterdir())
    assert model["artifact"] == f"{path} ({said_size(size)})"
    assert model["by"] == "process 12 on elsewhere"
    assert model["finished"] == "2026-01-01T00:00:02"
    assert model["wall seconds"] == "1.5 s"
    assert model["device seconds"] == "2.5 s"
    assert model["peak bytes"] == "1.23 MB"
    assert model["peak device bytes"] == "-"
    assert model["device"] == "cpu"
    assert model["driver"] == "-"
    assert model["dtype"] == "float32"
    assert model["deterministic"] == "algorithms: yes"
    assert model["git"] == "c0ffee"
    assert model["dirty"] == "no"
    assert model["notes"] == "batch of 64 lowered to 32: out of memory"
    assert model["log"] == str(log)
    assert model["spec.resolution"] == str(cell.job.resolution)
    number = next(n for n, stage in enumerate(stages) if isinstance(stage, Extraction))
    extraction = values(said, titles[number])
    assert extraction["artifact"] == "none: it leaves nothing of its own"
    assert extraction["computed"] == "not noted"


def test_what_is_gone_is_said(show, plan, tmp_path):
    finished(plan, tmp_path)
    cell = plan.cells[0]
    shutil.rmtree(artifact_path(cell.scores, tmp_path))
    scores = values(show(cell.key), f"Stage {len(cell.stages())}: Scores")
    assert scores["artifact"] == f"{artifact_path(cell.scores, tmp_path)} (gone)"
    assert scores["log"].endswith("(gone)")
    assert scores["by"] == "process 12 on elsewhere"
    assert scores["spec.measure"] == "recall"


def test_who_computed_is_read_from_the_artifact_where_the_report_does_not_say(plan, tmp_path):
    finished(plan, tmp_path)
    cell = plan.cells[0]
    path = report_path(tmp_path, cell.key)
    report = json.loads(path.read_text())
    for stage in report["stages"]:
        stage["computed"] = None
    found = chain_of(report, tmp_path)
    assert found[0].computed == computed()
    assert dict(found[1].computed) == {}
    (artifact_path(stages_of(cell)[0], tmp_path) / "artifact.json").unlink()
    assert dict(chain_of(report, tmp_path)[0].computed) == {}


def test_a_report_without_stages_has_those_of_its_spec(show, plan, tmp_path):
    finished(plan, tmp_path)
    cell = plan.cells[0]
    change_json(report_path(tmp_path, cell.key), stages=None)
    said = show(cell.key)
    titles = [line for line in said.splitlines() if line.startswith("Stage ")]
    assert len(titles) == 6
    assert f": Model {key_of(cell.stages()[0])}" in titles[0]
    assert values(said, titles[0])["by"] == "process 12 on elsewhere"
    assert values(said, titles[-1])["artifact"].startswith(str(tmp_path / "artifacts" / "scores"))
    report = make_report(cell, tmp_path, stages=False)
    assert [link.key for link in chain_of(report, tmp_path)] == [t.split()[-1] for t in titles]


def test_an_untrained_model_leaves_nothing(tmp_path):
    (cell,) = plan_of("backbone=tiny_vit", "dims=native", "dataset=twin-sop", "loss=none").cells
    report = make_report(cell, tmp_path, stages=False)
    model = chain_of(report, tmp_path)[0]
    assert model.kind == "Model"
    assert model.artifact is None
    assert not model.gone
    assert "fit" not in report["spec"]


def test_a_failed_cell_says_why_and_where(show, plan, tmp_path):
    finished(plan, tmp_path, cells=1)
    cell = plan.cells[1]
    make_failure(cell, tmp_path, stage="extraction-1", log="log/extraction-1.log")
    said = show(cell.key[:6])
    failure = values(said, "Failure")
    assert failure["error"] == "WorkError"
    assert failure["message"] == "the loss is no number"
    assert failure["stage"] == "extraction-1"
    assert failure["log"] == f"{tmp_path / 'log' / 'extraction-1.log'} (gone)"
    assert failure["failure"] == str(failure_path(tmp_path, cell.key))
    assert "Traceback (most recent call last):\n  somewhere\nWorkError: the loss" in said
    assert values(said)["state"] == "failed"
    make_failure(cell, tmp_path)
    failure = values(show(cell.key), "Failure")
    assert failure["stage"] == failure["log"] == "not noted"
    make_report(cell, tmp_path)
    assert values(show(cell.key))["state"] == "done"


def test_a_failure_that_nobody_noted_is_found(show, plan, tmp_path):
    make_failure(plan.cells[1], tmp_path)
    assert plan.cells[1].job.label in show("pca:16")


def test_a_cell_that_is_not_done_is_found_too(show, plan, tmp_path):
    note(plan, tmp_path)
    said = show("pca:16")
    assert values(said)["state"] == "not done"
    assert "bench status" in said


def test_words_that_only_one_label_has_mean_it(show, plan, tmp_path):
    finished(plan, tmp_path)
    first, second = plan.cells
    assert values(show("twin-sop pca:16"))["key"] == second.key
    assert values(show(first.job.label))["key"] == first.key
    both = show("twin-sop", exit_code=2)
    assert "is said of 2 cells" in both
    assert first.key in both
    assert second.key in both
    assert "unknown cell 'twin-cub'" in show("twin-cub", exit_code=2)
    assert "did you mean" in show(first.key[:-1] + "!", exit_code=2)
    assert "unknown cell ''" in show("", exit_code=2)


def test_a_label_that_begins_another_can_be_meant(show, tmp_path):
    words = ["backbone=tiny_vit", "dims=4,48", "dataset=twin-sop", "loss=none", "weights=scratch"]
    plan = plan_of(*words, "seed=1,10")
    finished(plan, tmp_path)
    labels = {cell.job.label: cell.key for cell in plan.cells}
    shorter = next(label for label in labels if any(o.startswith(label + "0") for o in labels))
    assert values(show(shorter))["key"] == labels[shorter]


def test_an_ambiguous_beginning_lists_what_it_can_be(show, plan, tmp_path):
    finished(plan, tmp_path)
    key = plan.cells[0].key
    path = report_path(tmp_path, key[:8] + "00000000")
    path.write_text(report_path(tmp_path, key).read_text())
    change_json(path, key=path.stem)
    said = show(key[:8], exit_code=2)
    assert "begins the keys of 2 cells" in said
    assert values(show(key))["key"] == key


def test_an_empty_folder_is_wrong_usage(show, tmp_path):
    assert "no cell was ever asked for" in show("x", exit_code=2)


def test_json_holds_it_all(show, plan, tmp_path):
    finished(plan, tmp_path, cells=1)
    done, failed = plan.cells
    content = json.loads(show(done.key, "--json"))
    assert content["report"] == json.loads(report_path(tmp_path, done.key).read_text())
    assert content["label"] == done.job.label
    assert content["state"] == "done"
    assert content["failure"] is None
    assert [stage["key"] for stage in content["stages"]] == [key_of(s) for s in done.stages()]
    assert content["stages"][0]["computed"] == computed()
    assert content["stages"][0]["bytes"] > 0
    assert content["stages"][0]["gone"] is False
    make_failure(done, tmp_path)
    assert json.loads(show(done.key, "--json"))["failure"] is None
    failure = make_failure(failed, tmp_path)
    content = json.loads(show(failed.key, "--json"))
    assert content["failure"] == failure
    assert content["report"] is None
    assert content["stages"] == []


@pytest.mark.parametrize("terminal", [True, False])
def test_long_values_fold_and_nothing_is_cut(capsys, terminal):
    long = "".join(chr(ord("a") + number % 26) for number in range(300))
    page = Page()
    page.console = Console(width=60, force_terminal=terminal, color_system=None)
    page.section("t" * 100, {"name" * 10: long, "list": [1, 2], "none": [], "deep": {"a": {}}})
    page.text("w" * 100)
    said = capsys.readouterr().out
    lines = said.splitlines()
    folded = "".join(line[25:].strip() for line in lines if line.startswith("  "))
    assert long in (folded if terminal else said)
    assert terminal == all(len(line) <= 60 for line in lines if line.startswith("  "))
    assert "t" * 100 in said
    assert "w" * 100 in said
    assert "1, 2" in said
    assert "a: -" in said
    assert "…" not in said


ALL_THREE = """
import sys
from bench.cli import main
runs, other, key = sys.argv[1:]
for words in (["merge", other], ["clean", "--all"], ["show", key]):
    main([*words, "--runs", runs], standalone_mode=False)
    assert not {"torch", "timm", "pandas"} & set(sys.modules), words
"""


def test_none_of_the_three_imports_torch(plan, tmp_path):
    finished(plan, tmp_path / "other")
    words = [str(tmp_path / "runs"), str(tmp_path / "other"), plan.cells[0].key]
    called = [sys.executable, "-c", ALL_THREE, *words]
    ended = subprocess.run(called, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "(gone)" in ended.stdout
