"""bench.status, plan_notes and at_work: what became of each cell, and who is at work."""

import json
import os
import time
from dataclasses import replace

import pytest

from bench.execution import lease_files
from bench.execution.artifacts import write_json
from bench.execution.leases import Leases
from bench.execution.owner import Lease, this_process
from bench.execution.work import name_of
from bench.listing import show_states
from bench.matrix import read_matrix
from bench.plan import make_plan
from bench.plan_notes import noted_cells, remember
from bench.status import STATES, CellState, states
from registry.errors import WorkError
from results.store import failure_path, report_path


@pytest.fixture
def plan():
    words = ["backbone=tiny_vit", "dims=8,16", "dataset=twin-sop"]
    return make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)


def found(runs):
    return [cell.state for cell in states(runs)]


def details(runs):
    return {cell.key: cell.detail for cell in states(runs)}


def names(plan):
    return [[name_of(stage) for stage in cell.stages()] for cell in plan.cells]


def leave(runs, name, progress=None, **fields):
    (runs / "leases").mkdir(exist_ok=True)
    path = runs / "leases" / f"{name}.json"
    owner = replace(this_process(), **fields)
    assert lease_files.put(path, Lease(owner, "training tiny_vit", "yesterday", 0, progress))
    return path


def fail(runs, cell, **content):
    write_json(failure_path(runs, cell.key), content)


def test_cells_are_running_while_a_stage_of_theirs_is(plan, tmp_path):
    remember(plan, tmp_path)
    assert found(tmp_path) == ["pending", "pending"]
    first, second = names(plan)
    assert first[0] == second[0]
    with Leases(tmp_path) as leases:
        with leases.holding(first[0], "training tiny_vit"):
            assert found(tmp_path) == ["running", "running"]
            detail = states(tmp_path)[0].detail
            assert detail.startswith(f"training tiny_vit, by process {os.getpid()} on ")
            assert detail.endswith("heartbeat 0 s ago")
        with leases.holding(first[-1], "scoring"):
            assert found(tmp_path) == ["running", "pending"]
        with leases.holding("model-of-another-plan", "training"):
            assert found(tmp_path) == ["pending", "pending"]
    assert found(tmp_path) == ["pending", "pending"]


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (
            {"name": "x", "done": 1200, "total": 1800, "unit": "images", "per_second": 12.34},
            ", 1,200 of 1,800 images, 12 images/s, 49 s left",
        ),
        (
            {"name": "x", "done": 0, "total": 180, "unit": "steps", "per_second": 0.02},
            ", 0 of 180 steps, 0.0 steps/s, 2.5 h left",
        ),
        (
            {"name": "x", "done": 0, "total": 180, "unit": "steps", "per_second": 0.0},
            ", 0 of 180 steps",
        ),
        (
            {"name": "x", "done": 7, "total": None, "unit": "steps", "per_second": 3.5},
            ", 7 steps, 3.5 steps/s",
        ),
        ({}, ""),
        (None, ""),
    ],
)
def test_running_cells_say_how_far_they_are(plan, tmp_path, progress, said):
    remember(plan, tmp_path)
    leave(tmp_path, names(plan)[0][0], progress)
    detail = states(tmp_path)[0].detail
    assert detail.partition(" s ago")[2] == said


def test_a_dead_process_is_not_at_work_and_is_forgotten(plan, tmp_path):
    remember(plan, tmp_path)
    path = leave(tmp_path, names(plan)[0][0], pid=2**22 + 1)
    assert found(tmp_path) == ["pending", "pending"]
    with Leases(tmp_path):
        assert not path.exists()


@pytest.mark.parametrize(
    ("age", "sign"),
    [
        (70, "heartbeat 70 s ago: it may be dead, and a run would take over"),
        (7210, "heartbeat 120 min ago: it may be dead"),
        (-7200, "heartbeat 0 s ago"),
    ],
)
def test_another_host_is_taken_at_its_word(plan, tmp_path, age, sign, monkeypatch):
    remember(plan, tmp_path)
    path = leave(tmp_path, names(plan)[0][0], host="elsewhere", machine="elsewhere", pid=1)
    now = time.time()
    os.utime(path, (now - age, now - age))
    monkeypatch.setattr("bench.at_work.time.time", lambda: now)
    for cell in states(tmp_path):
        assert cell.state == "running"
        assert "by process 1 on elsewhere since yesterday" in cell.detail
        assert sign in cell.detail


def test_what_is_done_or_failed_is_not_running(plan, tmp_path):
    remember(plan, tmp_path)
    leave(tmp_path, names(plan)[0][0])
    write_json(report_path(tmp_path, plan.cells[0].key), {})
    fail(tmp_path, plan.cells[1], message="no such luck")
    assert found(tmp_path) == ["done", "failed"]


def test_a_failed_cell_whose_stage_is_tried_again_is_running(plan, tmp_path):
    remember(plan, tmp_path)
    stage = names(plan)[0][0]
    for cell in plan.cells:
        fail(tmp_path, cell, message="no such luck", stage=stage)
    assert found(tmp_path) == ["failed", "failed"]
    leave(tmp_path, stage)
    assert found(tmp_path) == ["running", "running"]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            {"error": "WorkError", "message": "a.jpg is cut\nmore", "log": "log/model-1.log"},
            "WorkError: a.jpg is cut (RUNS/log/model-1.log)",
        ),
        ({"error": "OSError", "message": "OSError: no"}, "OSError: no (FILE)"),
        ({"message": "\nno such luck"}, "no such luck (FILE)"),
        ({}, "its record cannot be read (FILE)"),
    ],
)
def test_a_failure_is_one_line_with_its_class_and_where_to_read_on(plan, tmp_path, failure, said):
    remember(plan, tmp_path)
    first = plan.cells[0]
    fail(tmp_path, first, **failure)
    expected = said.replace("RUNS", str(tmp_path))
    expected = expected.replace("FILE", str(failure_path(tmp_path, first.key)))
    assert details(tmp_path)[first.key] == expected


def test_a_damaged_record_of_a_failure_hides_no_states(plan, tmp_path):
    remember(plan, tmp_path)
    path = failure_path(tmp_path, plan.cells[0].key)
    path.parent.mkdir()
    path.write_text('{"message": "cut')
    assert found(tmp_path) == ["failed", "pending"]


def test_a_damaged_plan_is_an_error_that_says_what_to_do(plan, tmp_path):
    remember(plan, tmp_path)
    (path,) = (tmp_path / "plans").iterdir()
    path.write_text("{")
    with pytest.raises(WorkError, match="delete it and run again"):
        states(tmp_path)


@pytest.mark.parametrize("note", ["twin-sop tiny_vit", {"label": "twin-sop tiny_vit"}])
def test_plans_of_earlier_versions_are_read(tmp_path, note):
    write_json(tmp_path / "plans" / "0.json", {"k": note})
    assert states(tmp_path) == [CellState("k", "twin-sop tiny_vit", "pending", "")]


def test_plans_of_earlier_versions_know_their_leases(plan, tmp_path):
    note = {"label": "twin-sop", "stages": names(plan)[0]}
    write_json(tmp_path / "plans" / "0.json", {"k": note})
    leave(tmp_path, names(plan)[0][-1])
    assert found(tmp_path) == ["running"]


@pytest.mark.parametrize("skip", [False, True])
def test_a_note_is_resolved_to_the_cell_it_was_written_of(tmp_path, skip):
    words = ["backbone=tiny_*", "dims=8,native", "dataset=twins", "loss=none,contrastive"]
    made = make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=skip)
    remember(made, tmp_path)
    noted = noted_cells(tmp_path)
    assert [cell.planned(None) for cell in noted] == list(made.cells)
    assert [list(cell.stages) for cell in noted] == names(made)
    assert [cell.label for cell in noted] == [cell.job.label for cell in made.cells]
    if not skip:
        skipping = make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=True)
        again = [cell.planned(None, skip_bad_images=True) for cell in noted]
        assert again == list(skipping.cells)


def test_what_was_asked_for_last_comes_last(plan, tmp_path):
    first, second = plan.cells
    for age, cells in ((20, [first, second]), (10, [first])):
        before = set(tmp_path.glob("plans/*"))
        remember(replace(plan, cells=cells), tmp_path)
        (written,) = set(tmp_path.glob("plans/*")) - before
        os.utime(written, (time.time() - age,) * 2)
    assert [cell.key for cell in noted_cells(tmp_path)] == [second.key, first.key]
    os.utime(written, (0, 0))
    assert [cell.key for cell in noted_cells(tmp_path)] == [first.key, second.key]


def test_what_an_earlier_version_notes_later_hides_nothing(plan, tmp_path):
    remember(plan, tmp_path)
    before = noted_cells(tmp_path)
    first, second = plan.cells
    path = tmp_path / "plans" / "labels.json"
    write_json(path, {first.key: "said once", second.key: "too"})
    os.utime(path, (0, 0))
    assert noted_cells(tmp_path) == before
    os.utime(path, (2**32, 2**32))
    later = {cell.key: cell for cell in noted_cells(tmp_path)}  # a note's are in order of keys
    assert later == {
        cell.key: replace(cell, label=label)
        for cell, label in zip(before, ("said once", "too"), strict=True)
    }
    write_json(path, {first.key: {"label": "again", "stages": ["model-1"]}})
    os.utime(path, (2**32, 2**32))
    assert noted_cells(tmp_path)[-1] == replace(before[0], label="again", stages=("model-1",))


def test_states_are_counted_in_a_fixed_order(tmp_path, capsys):
    cells = [
        CellState(str(i), "cell", state, "") for i, state in enumerate((*STATES[::-1], "stale"))
    ]
    show_states(cells, tmp_path)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "1 done, 1 running, 1 failed, 2 stale, 1 pending"
    show_states(cells[:1], tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "1 pending"


def test_status_as_json(plan, tmp_path, bench):
    remember(plan, bench.runs)
    write_json(report_path(bench.runs, plan.cells[0].key), {})
    shown = json.loads(bench("status", "--json").output)
    assert [(cell["key"], cell["state"]) for cell in shown] == [
        (plan.cells[0].key, "done"),
        (plan.cells[1].key, "pending"),
    ]
    assert shown[0].keys() == {"key", "label", "state", "detail"}
    assert bench("status", "--json", "--runs", tmp_path / "none").output == "[]\n"
