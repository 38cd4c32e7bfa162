"""bench merge: what is brought, what stays, what is refused, and that it can be killed anywhere."""

import errno
import json
import shutil
import subprocess
import sys

import pytest

from bench import merge as module
from bench import merge_files
from bench.execution import lease_files
from bench.execution.artifacts import write_json
from bench.execution.leases import CLEANING, Leases
from bench.execution.manifest import damage
from bench.execution.owner import Lease, this_process
from bench.identity import key_of
from results.store import failure_path, per_query_path, report_path
from tests.run_folders import (
    OTHER,
    artifact_path,
    change_json,
    files_of,
    finished,
    make_artifact,
    make_failure,
    make_report,
    note,
    plan_of,
    stages_of,
)


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def other(tmp_path, plan):
    """A finished run folder with a log."""
    folder = finished(plan, tmp_path / "other")
    (folder / "log").mkdir()
    (folder / "log" / "elsewhere-12.log").write_text("now computed Model\n")
    return folder


@pytest.fixture
def merge(bench, runs):
    def call(*words, exit_code=0):
        return bench("merge", *words, "--runs", runs, exit_code=exit_code).output

    return call


def kept(folder):
    """A folder's files, without the leases of whoever is at work."""
    return {path: text for path, text in files_of(folder).items() if not path.startswith("leases")}


def test_everything_arrives_in_an_empty_folder(merge, runs, other):
    (other / ".unfinished-1").mkdir()
    (other / "reports" / ".unfinished-2").write_text("half")
    (other / "artifacts" / "models" / ".unfinished-3").mkdir()
    told = merge(other)
    assert kept(runs) == {p: t for p, t in files_of(other).items() if ".unfinished" not in p}
    assert "1 plan notes, 1 logs, 8 artifacts, 2 reports" in told
    assert not list((runs / "leases").iterdir())


def test_a_second_time_changes_nothing(merge, runs, other):
    merge(other)
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    assert "nothing that was not there" in merge(other)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_shards_add_up(merge, runs, plan, tmp_path):
    shards = []
    for number, cell in enumerate(plan.cells):
        shard = tmp_path / f"shard{number}"
        note(plan, shard)
        make_report(cell, shard)
        shards.append(shard)
    merge(*shards)
    assert all(report_path(runs, cell.key).is_file() for cell in plan.cells)
    assert all(per_query_path(runs, cell.key).is_file() for cell in plan.cells)
    assert len(list((runs / "plans").iterdir())) == 1


def test_reports_only_leaves_artifacts_where_they_are(merge, runs, other):
    assert "2 reports" in merge(other, "--reports-only")
    assert not (runs / "artifacts").exists()
    assert len(list((runs / "log").iterdir())) == 1


def test_equal_numbers_made_elsewhere_are_equal(merge, runs, other, plan):
    mine = make_report(plan.cells[0], runs, environment={"torch": "3"}, finished="2027")
    merge(other)
    assert json.loads(report_path(runs, plan.cells[0].key).read_text()) == mine


@pytest.mark.parametrize(
    ("section", "value", "entry"),
    [
        ("metrics", {"r@1": 0.5 + 2**-53, "map@r": 0.25, "r@10": 0.7}, "metrics r@1"),
        ("metrics", {"r@1": 0.5, "map@r": 0.25}, "metrics r@10"),
        ("metrics", {"r@1": 0.5, "map@r": 0.25, "r@10": 0.7, "r@5": 1}, "metrics r@5"),
        ("bounds", {"r@1": [0.5, 0.5]}, "bounds r@10"),
        ("counts", {"queries": 11}, "counts queries"),
        ("spec", {"scores": {"version": 7}}, "spec scores.version"),
    ],
)
def test_different_numbers_under_one_key_are_shown_and_nothing_is_merged(
    merge, runs, other, plan, section, value, entry
):
    cell = plan.cells[1]
    make_report(cell, runs)
    make_failure(plan.cells[0], runs)
    change_json(report_path(runs, cell.key), **{section: value})
    before = files_of(runs)
    told = merge(other, exit_code=1)
    assert files_of(runs) == before
    line = next(line for line in told.splitlines() if entry in line)
    assert cell.key in line
    assert cell.job.label in line
    assert str(runs) in line
    assert str(other) in line
    assert "nothing was merged" in told


def test_values_are_shown_to_the_last_bit(merge, runs, other, plan):
    make_report(plan.cells[0], runs, r1=0.5000000000000001)
    told = merge(other, exit_code=1)
    assert "0.5000000000000001" in told
    assert "metrics r@1" in told
    assert "metrics r@10" not in told


def test_two_folders_that_disagree_are_refused_though_ours_is_empty(merge, runs, other, plan):
    third = finished(plan, other.with_name("third"))
    make_report(plan.cells[0], third, r1=0.25)
    told = merge(other, third, exit_code=1)
    assert str(third) in told
    assert str(other) in told
    assert not runs.exists()


@pytest.mark.parametrize("name", ["reports", "plans", "failures"])
def test_a_damaged_file_is_named_before_anything_is_copied(merge, runs, other, plan, name):
    make_failure(plan.cells[0], other)
    damaged = sorted((other / name).glob("*.json"))[-1]
    damaged.write_text("{")
    assert str(damaged) in merge(other, exit_code=1)
    assert not runs.exists()


def test_a_report_of_another_schema_is_named(merge, runs, other, plan):
    path = report_path(other, plan.cells[0].key)
    change_json(path, schema=1)
    told = merge(other, exit_code=1)
    assert f"the report {path} has schema 1" in told
    assert not runs.exists()


def test_a_report_without_its_parquet_is_refused(merge, runs, other, plan):
    path = per_query_path(other, plan.cells[1].key)
    path.unlink()
    assert f"{path} is missing" in merge(other, exit_code=1)
    assert not runs.exists()


def test_a_report_under_another_name_is_refused(merge, runs, other, plan):
    path = report_path(other, plan.cells[1].key)
    path.rename(path.with_name("0123456789abcdef.json"))
    assert f"{path} is missing" in merge(other, exit_code=1)
    assert not runs.exists()


def test_wrong_folders_are_wrong_usage(merge, runs, other, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "is no run folder" in merge(other, tmp_path / "empty", exit_code=2)
    assert "is no run folder" in merge(tmp_path / "no", exit_code=2)
    assert not runs.exists()
    runs.symlink_to(other)
    assert "the run folder to merge into" in merge(other, exit_code=2)


def test_a_failure_is_gone_where_a_report_arrives(merge, runs, other, plan):
    make_failure(plan.cells[0], runs)
    merge(other)
    assert not failure_path(runs, plan.cells[0].key).exists()


def test_a_failure_arrives_only_without_a_report(merge, runs, other, plan, tmp_path):
    cell, stranger = plan.cells[0], plan_of(*OTHER).cells[0]
    failed = tmp_path / "failed"
    make_failure(cell, failed)
    make_failure(stranger, failed)
    told = merge(failed, other)  # the report comes from a later folder
    assert f"{failed}: 1 failures" in told
    assert failure_path(runs, stranger.key).is_file()
    assert not failure_path(runs, cell.key).exists()


def test_our_own_failure_stays(merge, runs, plan, tmp_path):
    make_failure(plan.cells[0], tmp_path / "failed", message="theirs")
    make_failure(plan.cells[0], runs, message="ours")
    merge(tmp_path / "failed")
    assert "ours" in failure_path(runs, plan.cells[0].key).read_text()


def test_our_own_artifact_stays_unless_it_is_damaged(merge, runs, other, plan):
    good, flipped, short, bare, torn = stages_of(plan.cells[0])[:5]
    paths = [artifact_path(stage, runs) for stage in (good, flipped, short, bare, torn)]
    for stage in (good, flipped, short, bare, torn):
        make_artifact(stage, runs, content=b"other numbers")
    (paths[1] / "content.npy").write_bytes(b"othEr numbers")
    (paths[2] / "content.npy").write_bytes(b"other number")
    (paths[3] / "artifact.json").unlink()
    (paths[4] / "content.npy").unlink()
    told = merge(other)
    contents = [(path / "content.npy").read_bytes() for path in paths]
    assert contents == [b"other numbers", *[b"numbers"] * 4]
    assert all(damage(path) is None for path in paths)
    assert told.count(f"replaced by that of {other}") == 4
    assert "its checksum is wrong" in told
    assert "12 bytes, not 13" in told


def test_a_damaged_artifact_is_left_out(merge, runs, other, plan):
    stage = stages_of(plan.cells[0])[0]
    (artifact_path(stage, other) / "content.npy").write_bytes(b"nUmbers")
    told = merge(other)
    assert "left out an artifact" in told
    assert not artifact_path(stage, runs).exists()
    assert "7 artifacts" in told


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", '{"files": 1}', '{"files": {"a": 1}}', '{"files": {"a": {}}}']
)
def test_a_damaged_manifest_is_a_damaged_artifact(tmp_path, manifest):
    (tmp_path / "artifact.json").write_text(manifest)
    assert "artifact.json is missing or damaged" in damage(tmp_path)


def test_logs_that_differ_are_both_kept(merge, runs, other):
    name = "elsewhere-12.log"
    (runs / "log").mkdir(parents=True)
    (runs / "log" / name).write_text("another process 12\n")
    for _ in range(2):
        merge(other)
        texts = sorted(path.read_text() for path in (runs / "log").iterdir())
        assert texts == ["another process 12\n", "now computed Model\n"]


def test_a_log_that_has_grown_takes_the_place_of_its_beginning(merge, runs, other):
    name = "elsewhere-12.log"
    merge(other)
    with (other / "log" / name).open("a") as file:
        file.write("now computed Fit\n")
    merge(other)
    assert [p.name for p in (runs / "log").iterdir()] == [name]
    assert (runs / "log" / name).read_text().endswith("Fit\n")
    (other / "log" / name).write_text("now ")
    merge(other)
    assert [p.name for p in (runs / "log").iterdir()] == [name]


def copies(monkeypatch):
    """Count the copies of files; those after a number of them fail."""
    pour, done, limit = merge_files._pour, [], [10**9, KeyboardInterrupt()]

    def counted(source, target):
        if len(done) >= limit[0]:
            target.write_bytes(source.read_bytes()[:1])
            raise limit[1]
        done.append(source)
        pour(source, target)

    monkeypatch.setattr(merge_files, "_pour", counted)
    return done, limit


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(KeyboardInterrupt(), 130), (OSError(errno.ENOSPC, "No space left on device"), 1)],
)
def test_stopped_anywhere_it_leaves_nothing_torn_and_goes_on(
    merge, runs, other, plan, monkeypatch, error, exit_code
):
    done, limit = copies(monkeypatch)
    merge(other)
    total, whole = len(done), kept(runs)
    assert total == len(files_of(other))
    for count in range(total):
        shutil.rmtree(runs)
        make_failure(plan.cells[0], runs)
        done.clear()
        limit[:] = [count, error]
        told = merge(other, exit_code=exit_code)
        if exit_code == 1:
            assert "free some space" in told
        found = kept(runs)
        failed = found.pop(f"failures/{plan.cells[0].key}.json", None)
        assert (failed is None) == report_path(runs, plan.cells[0].key).is_file()
        assert all(whole[path] == content for path, content in found.items())
        for path in (runs / "reports").glob("*.json"):
            assert path.with_suffix(".parquet").is_file()
        for path in (runs / "artifacts").glob("*/*"):
            assert damage(path) is None
        limit[0] = 10**9
        merge(other)
        assert kept(runs) == whole


KILLED = """
import os, sys
from bench import merge_files
from bench.cli import main
pour, left = merge_files._pour, [int(sys.argv.pop(1))]
def poured(source, target):
    left[0] -= 1
    if left[0] < 0:
        target.write_bytes(source.read_bytes()[:1])
        os._exit(9)
    pour(source, target)
merge_files._pour = poured
main(sys.argv[1:])
"""


@pytest.mark.parametrize("copies", [2, 5, 18, 19, 20])
def test_killed_it_leaves_only_what_clean_clears(merge, bench, runs, other, plan, copies):
    words = ["merge", str(other), "--runs", str(runs)]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(copies), *words], check=False)
    assert killed.returncode == 9
    assert list(runs.rglob(".unfinished-*"))
    assert all(damage(path) is None for path in runs.glob("artifacts/*/[!.]*"))
    for path in (runs / "reports").glob("*.json"):
        assert path.with_suffix(".parquet").is_file()
    merge(other)
    bench("clean", "--runs", runs)
    assert kept(runs) == files_of(other)


def test_an_unreadable_file_is_no_full_disk(merge, runs, other, monkeypatch):
    def gone(path, mode="r", *arguments, **options):
        if path.suffix == ".npy" and path.is_relative_to(other) and mode == "rb":
            raise OSError(errno.EIO, "Input/output error")
        return path_open(path, mode, *arguments, **options)

    from pathlib import Path

    path_open = Path.open
    monkeypatch.setattr(Path, "open", gone)
    told = merge(other)
    assert "left out an artifact: cannot read" in told
    assert "free some space" not in told


def test_only_one_merges_or_cleans_at_a_time(merge, bench, runs, other, monkeypatch):
    with Leases(runs) as leases, leases.holding(module.LEASE, "merging run folders"):
        assert f"{runs} is in use" in merge(other, exit_code=1)
    assert not (runs / "reports").exists()
    seen = []
    pour = merge_files._pour

    def cleaned(source, target):
        if not seen:
            (runs / "plans").mkdir(exist_ok=True)
            seen.append(bench("clean", "--runs", runs, exit_code=1).output)
        pour(source, target)

    monkeypatch.setattr(merge_files, "_pour", cleaned)
    merge(other)
    assert "merging run folders, by process" in seen[0]
    assert CLEANING != module.LEASE


def test_a_folder_where_a_run_is_at_work_is_merged_too(merge, runs, other):
    (other / "leases").mkdir()
    (runs / "leases").mkdir(parents=True)
    for folder in (runs, other):
        lease_files.put(folder / "leases" / "model-1.json", Lease(this_process(), "training", "-"))
    merge(other)
    assert len(list((runs / "leases").iterdir())) == 1


def test_nested_artifacts_arrive_whole(merge, runs, other, plan):
    folder = artifact_path(stages_of(plan.cells[0])[0], other)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "x").write_text("x")
    merge(other)
    path = artifact_path(stages_of(plan.cells[0])[0], runs)
    assert (path / "deep" / "er" / "x").read_text() == "x"


def test_failures_are_named_for_their_cell(plan, runs):
    make_failure(plan.cells[0], runs)
    write_json(failure_path(runs, "1"), {})
    assert failure_path(runs, plan.cells[0].key).is_file()
    assert key_of(plan.cells[0].scores) != plan.cells[0].key
