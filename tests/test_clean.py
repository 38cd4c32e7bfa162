"""bench clean: what it shows, what it frees, and what it never touches."""

import errno
import os
import shutil
import time
from dataclasses import replace

import pytest

from bench import clean as module
from bench.execution import lease_files
from bench.execution.leases import Leases
from bench.execution.owner import Lease, this_process
from bench.identity import Descriptors, Fit, Model, Scores, key_of
from bench.plan_notes import noted_cells
from bench.references import of_note, of_report
from bench.sizes import said, size_of
from results.store import failure_path, read_reports, report_path
from tests.run_folders import (
    OTHER,
    artifact_path,
    change_json,
    features_of,
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
def clean(bench, tmp_path):
    def call(*options, exit_code=0):
        return bench("clean", *options, "--runs", tmp_path, exit_code=exit_code).output

    return call


def row(said, kind):
    """Count, and what of it is needed, of done cells, needed by nothing."""
    words = next(line for line in said.splitlines() if line.split("  ")[0] == kind)
    cells = [cell.strip() for cell in words.split("  ") if cell.strip()]
    return [cell.split(" ")[0] for cell in (cells[1], *cells[3:])]


def leave_lease(runs, name, **fields):
    (runs / "leases").mkdir(exist_ok=True)
    path = runs / "leases" / f"{name}.json"
    assert lease_files.put(path, Lease(replace(this_process(), **fields), "training", "yesterday"))
    return path


DEAD = {"pid": 2**22 + 1}
ELSEWHERE = {"host": "elsewhere", "machine": "elsewhere"}


def test_a_finished_folder_loses_nothing(clean, plan, tmp_path):
    before = files_of(finished(plan, tmp_path))
    told = clean()
    assert files_of(tmp_path) == before
    assert row(told, "models") == ["1", "-", "1", "-"]
    assert row(told, "features") == ["2", "-", "2", "-"]
    assert row(told, "descriptors") == ["2", "-", "2", "-"]
    assert row(told, "reports") == ["2", "2", "-", "-"]
    reports = sum(path.stat().st_size for path in (tmp_path / "reports").iterdir())
    assert f"2 ({said(reports)})" in told
    assert "freed nothing" in told
    assert "--all frees it" in told


def test_what_a_cell_to_be_done_rests_on_is_kept_even_from_all(clean, plan, tmp_path):
    finished(plan, tmp_path, cells=1)
    done, left = plan.cells
    own = {artifact_path(stage, tmp_path) for stage in stages_of(done)} - {
        artifact_path(stage, tmp_path) for stage in stages_of(left)
    }
    shared = {artifact_path(stage, tmp_path) for stage in stages_of(done)} - own
    assert len(own) == 2
    assert len(shared) == 4
    told = clean("--all")
    assert "bench delta" in told
    assert not any(path.exists() for path in own)
    assert all(path.is_dir() for path in shared)
    assert row(told, "features") == ["2", "2", "-", "-"]
    assert row(told, "descriptors") == ["1", "-", "1", "-"]


def test_all_frees_what_can_be_computed_again_and_keeps_the_records(clean, plan, tmp_path):
    finished(plan, tmp_path)
    (tmp_path / "cache" / "0123").mkdir(parents=True)
    (tmp_path / "cache" / "0123" / "a.bin").write_bytes(bytes(2500))
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / f"model-{key_of(stages_of(plan.cells[0])[0])}.log").write_text("1\n")
    assert "2.5 kB" in clean("--all", "--dry-run")
    before = files_of(tmp_path)
    told = clean("--all")
    kept = files_of(tmp_path)
    assert kept == {
        path: content
        for path, content in before.items()
        if path.startswith(("reports/", "plans/", "log/"))
    }
    assert len(kept) == 4 + 1 + 1
    assert "1 of models, 2 of features, 1 of fits, 2 of descriptors, 2 of scores" in told
    assert "1 of pixels" in told


def test_what_is_superseded_goes(clean, plan, tmp_path):
    finished(plan, tmp_path)
    old = [
        make_artifact(stage, tmp_path / "other") for stage in stages_of(plan_of(*OTHER).cells[0])
    ]
    for path in old:
        target = tmp_path / path.relative_to(tmp_path / "other")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    shutil.rmtree(tmp_path / "other")
    before = files_of(tmp_path)
    told = clean("--dry-run")
    assert files_of(tmp_path) == before
    count = len(old)
    assert row(told, "all")[-1] == str(count)
    assert "would free" in told
    clean()
    assert len(files_of(tmp_path)) == len(before) - 2 * count
    assert all((artifact_path(s, tmp_path)).is_dir() for c in plan.cells for s in stages_of(c))


def test_the_same_is_known_of_a_cell_by_its_note_and_by_its_report(tmp_path):
    words = ["backbone=tiny_vit", "dims=8,native", "dataset=twin-sop", "loss=none,contrastive"]
    for cell in plan_of(*words).cells:
        runs = tmp_path / cell.key
        names = {f"{type(s).__name__.lower()}-{key_of(s)}" for s in stages_of(cell)}
        report = make_report(cell, runs)
        assert names <= of_report(report)
        del report["stages"]
        assert names <= of_report(report)
        note(plan_of(*words), runs)
        (noted,) = [one for one in noted_cells(runs) if one.key == cell.key]
        assert names <= of_note(noted)
        features = {name for name in names if name.startswith("features-")}
        assert features == {n for n in of_report(report) if n.startswith("features-")}
        assert features == {name for name in of_note(noted) if name.startswith("features-")}
        assert features < of_note(replace(noted, values={}))


def test_the_features_of_distractors_are_known_from_a_report(tmp_path):
    words = ["backbone=deit_s", "dims=16", "dataset=roxford+r1m"]
    (cell,) = plan_of(*words).cells
    features = {f"features-{key_of(stage)}" for stage in cell.scores.features()}
    assert len(features) == 3
    assert features <= of_report(make_report(cell, tmp_path))


def test_features_of_an_unknown_or_older_pooling_are_known(plan, tmp_path, monkeypatch):
    from bench.identity import digest, features_spec
    from registry.poolings import POOLINGS

    note(plan, tmp_path)
    cell = noted_cells(tmp_path)[0]
    extraction = next(name for name in cell.stages if name.startswith("extraction-"))
    key = extraction.partition("-")[2]
    names = of_note(replace(cell, values={"pooling": "of another version"}))
    assert f"features-{digest(features_spec(key, 'of another version', 3))}" in names
    newer = replace(POOLINGS["cls"], version=2)
    monkeypatch.setitem(POOLINGS._rows, "cls", newer)
    names = of_note(replace(cell, values={"pooling": "cls"}))
    for version in (1, 2):
        assert f"features-{digest(features_spec(key, 'cls', version))}" in names


def test_without_notes_of_what_a_cell_rests_on_every_artifact_is_kept(clean, plan, tmp_path):
    finished(plan, tmp_path)
    stray = make_artifact(plan_of(*OTHER).cells[0].scores, tmp_path)
    path = tmp_path / "plans" / "0.json"
    path.write_text('{"0123456789abcdef": "twin-sop as earlier versions noted it"}')
    assert "every artifact is kept" in clean()
    assert stray.is_dir()
    for other in (tmp_path / "plans").glob("*.json"):
        other.unlink()
    path.write_text(f'{{"{plan.cells[0].key}": "done: its report says what it rests on"}}')
    assert "every artifact is kept" not in clean()
    assert not stray.exists()


def test_leftovers_go_wherever_they_are(clean, plan, tmp_path):
    finished(plan, tmp_path)
    before = files_of(tmp_path)
    for place in (".", "reports", "plans", "artifacts/models", "failures", "checkpoints"):
        (tmp_path / place / ".unfinished-folder-old").mkdir(parents=True)
        (tmp_path / place / ".unfinished-folder-old" / "x").write_text("x")
        (tmp_path / place / ".unfinished-file").write_text("x")
    told = clean()
    assert row(told, "leftovers") == ["12", "-", "-", "12"]
    assert files_of(tmp_path) == before


def test_leases_and_drafts_of_dead_processes_go(clean, plan, tmp_path):
    finished(plan, tmp_path)
    paths = [leave_lease(tmp_path, name, **DEAD) for name in ("model-1", ".draft-1", ".aside-1")]
    old = paths[0].with_name(".draft-2")
    old.write_text("")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    fresh = paths[0].with_name(".aside-3")
    assert row(clean("--dry-run"), "leftovers") == ["4", "-", "-", "4"]
    assert all(path.exists() for path in paths)
    assert "cleared 3 leases" in clean()
    assert not list((tmp_path / "leases").iterdir())
    fresh.write_text("")
    assert "in use" in clean(exit_code=1)
    assert fresh.exists()


def test_nothing_is_freed_while_somebody_is_at_work(clean, plan, tmp_path):
    finished(plan, tmp_path)
    leftover = tmp_path / "reports" / ".unfinished-1"
    leftover.write_text("")
    path = leave_lease(tmp_path, "model-1", **ELSEWHERE)
    for options in ([], ["--all"]):
        told = clean(*options, exit_code=1)
        assert "training, by process" in told
        assert "on elsewhere since yesterday" in told
    assert leftover.exists()
    assert artifact_path(stages_of(plan.cells[0])[0], tmp_path).is_dir()
    assert "at work: training" in clean("--dry-run")
    path.unlink()
    with Leases(tmp_path) as leases, leases.holding("model-1", "training"):
        assert "training, by process" in clean(exit_code=1)
    clean()
    assert not leftover.exists()


def test_a_full_disk_can_be_cleaned(clean, plan, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    finished(plan, tmp_path)
    (tmp_path / "leases").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(lease_files.os, "fsync", full)
        told = clean("--all")
    assert "freed" in told
    assert not list((tmp_path / "artifacts").glob("*/*"))
    assert not list((tmp_path / "leases").iterdir())
    leave_lease(tmp_path, "model-1", **ELSEWHERE)
    monkeypatch.setattr(lease_files.os, "fsync", full)
    assert "in use" in clean("--all", exit_code=1)


def test_a_folder_that_may_not_be_written_is_told(clean, plan, tmp_path, monkeypatch):
    def readonly(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    finished(plan, tmp_path)
    monkeypatch.setattr(lease_files.os, "fsync", readonly)
    assert "Read-only file system" in clean("--all", exit_code=1)
    assert artifact_path(plan.cells[0].scores, tmp_path).is_dir()


def test_it_stops_where_a_run_begins_meanwhile(clean, plan, tmp_path, monkeypatch):
    finished(plan, tmp_path)
    removed = []

    def remove(path):
        removed.append(path)
        leave_lease(tmp_path, "model-1", **ELSEWHERE)

    monkeypatch.setattr(module, "remove", remove)
    told = clean("--all", exit_code=1)
    assert len(removed) == 1
    assert "in use" in told
    assert "1 of models" in told


def test_it_frees_nothing_where_a_plan_was_noted_meanwhile(clean, plan, tmp_path, monkeypatch):
    finished(plan, tmp_path)
    shown = module._shown

    def slowly(asked):
        found = shown(asked)
        note(plan_of(*OTHER), tmp_path)
        return found

    monkeypatch.setattr(module, "_shown", slowly)
    assert "a run began" in clean("--all", exit_code=1)
    assert artifact_path(stages_of(plan.cells[0])[0], tmp_path).is_dir()


def test_a_checkpoint_is_kept_while_its_training_is_to_be_done(clean, plan, tmp_path):
    note(plan, tmp_path)
    model = stages_of(plan.cells[0])[0]
    for key in (key_of(model), "0123456789abcdef"):
        (tmp_path / "checkpoints" / key).mkdir(parents=True)
        (tmp_path / "checkpoints" / key / "training.safetensors").write_bytes(bytes(10))
    assert row(clean(), "checkpoints") == ["2", "1", "-", "1"]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [key_of(model)]
    make_artifact(model, tmp_path)
    clean()
    assert not list((tmp_path / "checkpoints").iterdir())


def test_failures_stay_while_their_cell_is_to_be_done(clean, plan, tmp_path):
    finished(plan, tmp_path, cells=1)
    done, left = plan.cells
    stranger = plan_of(*OTHER).cells[0]
    for cell in (done, left, stranger):
        make_failure(cell, tmp_path)
    assert row(clean(), "failures") == ["3", "1", "-", "2"]
    assert failure_path(tmp_path, left.key).exists()
    assert len(list((tmp_path / "failures").iterdir())) == 1


def test_logs_of_processes_stay_and_those_of_forgotten_stages_go(clean, plan, tmp_path):
    finished(plan, tmp_path)
    scores = key_of(plan.cells[0].scores)
    extraction = key_of(plan.cells[0].scores.descriptors.features.extraction)
    kept = [f"scores-{scores}.log", f"extraction-{extraction}.log", "model-host-12.log", "h-1.log"]
    kept.append(f"scores-{scores}.0a1b2c3d.log")
    (tmp_path / "log").mkdir()
    for name in [*kept, "scores-0123456789abcdef.log", "extraction-0123456789abcdef.log"]:
        (tmp_path / "log" / name).write_text("1\n")
    clean("--all")
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == sorted(kept)


def test_pixels_are_kept_while_any_cell_is_to_be_done(clean, plan, tmp_path):
    finished(plan, tmp_path, cells=1)
    store = tmp_path / "cache" / "0123456789abcdef"
    store.mkdir(parents=True)
    assert row(clean("--all"), "pixels") == ["1", "1", "-", "-"]
    make_report(plan.cells[1], tmp_path)
    assert row(clean(), "pixels") == ["1", "-", "1", "-"]
    assert store.is_dir()
    clean("--all")
    assert not store.exists()


def test_an_artifact_half_removed_is_never_taken_for_whole(clean, plan, tmp_path, monkeypatch):
    finished(plan, tmp_path)

    def killed(path, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("registry.publish.shutil.rmtree", killed)
        clean("--all", exit_code=130)
    names = {path.name for path in (tmp_path / "artifacts").glob("*/*")}
    whole = {key_of(stage) for cell in plan.cells for stage in stages_of(cell)}
    assert len(whole - names) == 1
    assert len([name for name in names - whole if name.startswith(".unfinished-")]) == 1
    clean()
    assert not list((tmp_path / "artifacts").glob("*/.*"))


def test_a_damaged_record_stops_it(clean, plan, tmp_path):
    finished(plan, tmp_path)
    stray = make_artifact(plan_of(*OTHER).cells[0].scores, tmp_path)
    report = report_path(tmp_path, plan.cells[0].key)
    whole = report.read_text()
    report.write_text(whole[:20])
    assert str(report) in clean("--all", exit_code=1)
    report.write_text(whole)
    change_json(report, schema=1)
    assert "schema 1" in clean("--all", exit_code=1)
    report.write_text(whole)
    path = next((tmp_path / "plans").iterdir())
    path.write_text("{")
    assert str(path) in clean("--all", exit_code=1)
    assert stray.is_dir()
    assert len(list(read_reports(tmp_path))) == 2


def test_another_folder_is_refused(clean, tmp_path, bench):
    assert "is no run folder" in clean(exit_code=2)
    assert "is no run folder" in bench("clean", "--runs", tmp_path / "no", exit_code=2).output
    assert not list(tmp_path.iterdir())


def test_links_are_removed_and_what_they_lead_to_is_kept(clean, plan, tmp_path):
    runs = finished(plan, tmp_path)
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_bytes(bytes(10**6))
    link = runs / "artifacts" / "models" / "0123456789abcdef"
    link.symlink_to(elsewhere)
    told = clean()
    assert row(told, "models") == ["2", "-", "1", "1"]
    assert "MB" not in told
    assert not link.is_symlink()
    assert (elsewhere / "mine").exists()


def test_sizes_are_of_everything_below(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_bytes(bytes(1000))
    (tmp_path / "a" / "y").write_bytes(bytes(234))
    assert size_of(tmp_path) == 1234
    assert size_of(tmp_path / "a" / "y") == 234
    assert size_of(tmp_path / "no") == 0


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (123_456_789, "123 MB"),
        (5e12, "5 TB"),
        (1.5e16, "15,000 TB"),
    ],
)
def test_sizes_are_said_in_three_digits(size, text):
    assert said(size) == text


def test_stages_of_the_fixture_are_of_every_kind(plan):
    kinds = {type(stage) for stage in stages_of(plan.cells[0])}
    assert kinds == {Model, type(features_of(plan.cells[0])[0]), Fit, Descriptors, Scores}
