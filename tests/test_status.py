"""bench.status: who is at work, and who no longer is."""

import os
import time
from dataclasses import replace

import pytest

from bench.execution import lease_files
from bench.execution.artifacts import write_json
from bench.execution.leases import Leases
from bench.execution.owner import Lease, this_process
from bench.execution.work import name_of
from bench.matrix import read_matrix
from bench.plan import make_plan
from bench.status import remember, states
from results.store import failure_path, report_path


@pytest.fixture
def plan():
    words = ["backbone=tiny_vit", "dims=8,16", "dataset=twin-sop"]
    return make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)


def found(runs):
    return [state for _, _, state, _ in states(runs)]


def names(plan):
    return [[name_of(stage) for stage in cell.stages()] for cell in plan.cells]


def leave(runs, name, **fields):
    (runs / "leases").mkdir(exist_ok=True)
    path = runs / "leases" / f"{name}.json"
    owner = replace(this_process(), **fields)
    assert lease_files.put(path, Lease(owner, "training tiny_vit", "yesterday"))
    return path


def test_cells_are_running_while_a_stage_of_theirs_is(plan, tmp_path):
    remember(plan, tmp_path)
    assert found(tmp_path) == ["missing", "missing"]
    first, second = names(plan)
    assert first[0] == second[0]
    with Leases(tmp_path) as leases:
        with leases.holding(first[0], "training tiny_vit"):
            assert found(tmp_path) == ["running", "running"]
            detail = next(iter(states(tmp_path)))[3]
            assert detail.startswith(f"training tiny_vit, by process {os.getpid()} on ")
            assert "heartbeat 0 s ago" in detail
        with leases.holding(first[-1], "scoring"):
            assert sorted(found(tmp_path)) == ["missing", "running"]
        with leases.holding("model-of-another-plan", "training"):
            assert found(tmp_path) == ["missing", "missing"]
    assert found(tmp_path) == ["missing", "missing"]


def test_a_dead_process_is_not_at_work_and_is_forgotten(plan, tmp_path):
    remember(plan, tmp_path)
    path = leave(tmp_path, names(plan)[0][0], pid=2**22 + 1)
    assert found(tmp_path) == ["missing", "missing"]
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
    monkeypatch.setattr("bench.status.time.time", lambda: now)
    for _, _, state, detail in states(tmp_path):
        assert state == "running"
        assert "by process 1 on elsewhere since yesterday" in detail
        assert sign in detail


def test_what_is_done_or_failed_is_not_running(plan, tmp_path):
    remember(plan, tmp_path)
    leave(tmp_path, names(plan)[0][0], pid=os.getpid())
    write_json(report_path(tmp_path, plan.cells[0].key), {})
    write_json(failure_path(tmp_path, plan.cells[1].key), {"message": "no such luck"})
    assert sorted(found(tmp_path)) == ["done", "failed"]


def test_plans_of_earlier_versions_are_read(tmp_path):
    write_json(tmp_path / "plans" / "0.json", {"k": "twin-sop tiny_vit"})
    assert list(states(tmp_path)) == [("k", "twin-sop tiny_vit", "missing", "")]
