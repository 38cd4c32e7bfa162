"""bench.execution.faults: second tries, cells that fail, and what another run mends."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from bench.execution import lease_files
from bench.execution.artifacts import Artifacts
from bench.execution.faults import Faults
from bench.execution.graph import AT_WORK, FAILED, READY, WAITING, Graph
from bench.execution.leases import BusyError, Leases
from bench.execution.messages import Damaged, Died, Failed, Task, Unfit
from bench.execution.others import Others
from bench.execution.owner import Lease, Owner
from bench.execution.work import is_done, name_of
from results.store import failure_path
from tests.run_folders import artifact_path, make_artifact, plan_of, stages_of

BARE = ("backbone=tiny_vit", "dims=8,16", "dataset=twin-sop", "loss=none", "weights=scratch")
ELSEWHERE = Owner("e" * 16, "elsewhere", "elsewhere's boot", 7, "1")


class Heard:
    """Progress that is kept."""

    def __init__(self):
        self.notes, self.cells = [], []

    def note(self, text):
        self.notes.append(text)

    def cell(self, label, outcome):
        self.cells.append((label, outcome))


@pytest.fixture
def run(tmp_path):
    """What a run is made of, with two cells that share an extraction; only scores are to do."""
    plan, runs, heard = plan_of(*BARE), tmp_path / "runs", Heard()
    artifacts = Artifacts(runs)
    artifacts.prepare()
    for stage in dict.fromkeys(stage for cell in plan.cells for stage in stages_of(cell)):
        if stage not in [cell.scores for cell in plan.cells]:
            make_artifact(stage, runs)

    def there(stage, cells):
        return not cells and is_done(stage, plan.poolings(), artifacts)

    with Leases(runs) as leases:
        graph = Graph(plan.cells, there)
        others = Others(graph, leases, heard)
        faults = Faults(graph, others, leases, artifacts, heard, runs)
        yield SimpleNamespace(
            plan=plan,
            runs=runs,
            leases=leases,
            graph=graph,
            heard=heard,
            others=others,
            faults=faults,
        )


def begun(run):
    """Hand out what is ready; return the tasks."""
    nodes = list(run.graph.ready())
    for node in nodes:
        run.graph.begin(node)
    return [Task(node.name, node.stage, (), node.cells) for node in nodes]


def state(run, name):
    return run.graph.nodes[name].state


def damaged(run):
    """Damage what both cells read; return it, and the name of the stage that makes it."""
    features = run.plan.cells[0].scores.descriptors.features
    (artifact_path(features, run.runs) / "content.npy").write_bytes(b"")
    return features, name_of(features.extraction)


@contextmanager
def elsewhere(run, name):
    """Have another run hold a lease."""
    path = run.leases.root / f"{name}.json"
    assert lease_files.put(path, Lease(ELSEWHERE, "mending", "yesterday"))
    yield
    path.unlink()


def test_a_stage_may_cost_one_worker(run):
    task, other = begun(run)
    run.faults.lost(task, Died(-9))
    assert state(run, task.name) == READY
    assert run.faults.failed == []
    assert run.heard.notes[0].startswith("the worker was ended by SIGKILL while ")
    run.faults.lost(other, Died(1))
    assert state(run, other.name) == READY
    run.faults.lost(task, Died(-9))
    assert state(run, task.name) == FAILED
    (cell,) = task.cells
    ((label, message),) = run.faults.failed
    assert label == cell.job.label
    assert "twice" in message
    assert run.heard.cells == [(label, f"FAILED: {message}")]
    failure = json.loads(failure_path(run.runs, cell.key).read_text())
    assert (failure["stage"], failure["log"]) == (task.name, f"log/{task.name}.log")


def test_what_is_damaged_is_computed_again_once(run):
    features, extraction = damaged(run)
    task, other = begun(run)
    run.faults.damaged(task, Damaged(features, "it is damaged"))
    assert run.heard.notes == ["it is damaged; it is computed again"]
    assert not artifact_path(features, run.runs).exists()
    assert (state(run, extraction), state(run, task.name)) == (READY, WAITING)
    run.faults.damaged(other, Damaged(features, "it is damaged"))  # found out twice
    assert (state(run, extraction), state(run, other.name)) == (READY, WAITING)
    assert len(run.heard.notes) == 1
    assert [one.name for one in begun(run)] == [extraction]
    make_artifact(features, run.runs)
    run.graph.finish(run.graph.nodes[extraction])
    assert begun(run) == [task, other]
    run.faults.damaged(task, Damaged(features, "it is damaged"))
    assert (state(run, extraction), state(run, task.name)) == (FAILED, FAILED)
    assert state(run, other.name) == AT_WORK
    assert run.faults.failed == [(task.cells[0].job.label, "it is damaged, again")]
    failure = json.loads(failure_path(run.runs, task.cells[0].key).read_text())
    assert (failure["error"], failure["stage"]) == ("DamagedError", extraction)


def test_what_another_run_mends_is_left_to_it(run):
    features, extraction = damaged(run)
    task, _ = begun(run)
    with elsewhere(run, extraction):
        run.faults.damaged(task, Damaged(features, "it is damaged"))
    assert artifact_path(features, run.runs).is_dir()
    assert run.others.busy[task.name].name == extraction
    assert state(run, task.name) == WAITING
    run.others.look_again()
    assert run.others.busy == {}
    assert state(run, task.name) == READY
    run.faults.damaged(task, Damaged(features, "it is damaged"))
    assert not artifact_path(features, run.runs).is_dir()


def test_without_a_device_all_that_is_left_fails_for_the_same_reason(run):
    task, other = begun(run)
    run.faults.refused(task, Unfit("WorkError", "no worker on cuda:9", "traceback"))
    assert state(run, task.name) == READY
    assert run.heard.notes == ["no worker on cuda:9"]
    run.others.leave(run.graph.nodes[other.name], BusyError(other.name, Lease(ELSEWHERE, "", "")))
    run.faults.give_up()
    assert run.graph.left
    run.faults.give_up()  # of what others were at
    assert not run.graph.left
    assert [message for _, message in run.faults.failed] == ["no worker on cuda:9"] * 2


def test_a_failed_stage_costs_its_cells_alone(run):
    task, other = begun(run)
    run.faults.fail(task.name, Failed("Error", "no such luck", "", task.name))
    assert [label for label, _ in run.faults.failed] == [task.cells[0].job.label]
    assert state(run, other.name) == AT_WORK
