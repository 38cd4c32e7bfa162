"""bench.execution.others: when another look is taken, and what is said while waiting."""

from dataclasses import replace

import pytest

from bench.execution import lease_files, others
from bench.execution.graph import READY, WAITING, Graph
from bench.execution.leases import CLEANING, BusyError, Leases
from bench.execution.others import Others, wait_for_cleaning
from bench.execution.owner import Lease, Owner
from bench.identity import Scores
from tests.run_folders import plan_of

ELSEWHERE = Lease(Owner("e" * 16, "elsewhere", "a boot", 7, "1"), "scoring", "yesterday")


class Heard:
    """Progress that is kept."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def left(tmp_path):
    """Two stages of which another run is at the first."""
    graph = Graph(plan_of().cells, lambda stage, cells: not isinstance(stage, Scores))
    nodes = list(graph.ready())
    with Leases(tmp_path) as leases:
        found = Others(graph, leases, Heard())
        put(leases, nodes[0].name, ELSEWHERE)
        found.leave(nodes[0], BusyError(nodes[0].name, ELSEWHERE))
        graph.begin(nodes[1])
        yield found


@pytest.fixture
def pauses(monkeypatch):
    """Stand for the clock: what is called at each pause, in their order."""
    acts = []
    monkeypatch.setattr(others.time, "sleep", lambda seconds: acts.pop(0)())
    return acts


def put(leases, name, lease):
    path = leases.root / f"{name}.json"
    path.unlink(missing_ok=True)
    assert lease_files.put(path, lease)
    return path


def test_what_is_left_is_not_ready_until_another_look(left):
    (name,) = left.busy
    node = left.graph.nodes[name]
    assert node.state == WAITING
    assert list(left.graph.ready()) == []
    left.look_again()
    assert (node.state, left.busy) == (READY, {})
    assert list(left.graph.ready()) == [node]


def test_a_look_is_taken_once_in_a_while(left, monkeypatch):
    now = left.looked
    monkeypatch.setattr(others.time, "monotonic", lambda: now)
    left.look_now_and_then()
    assert left.busy
    now += others.LOOK_EVERY
    left.look_now_and_then()
    assert not left.busy
    assert left.looked == now


def test_waiting_ends_when_a_lease_is_given_back(left, pauses):
    (name,) = left.busy
    pauses += [lambda: None, (left.leases.root / f"{name}.json").unlink]
    left.wait()
    assert pauses == []
    assert left.progress.notes == ["waiting for scoring, by process 7 on elsewhere"]
    left.look_now_and_then()  # at once
    assert not left.busy


def test_another_owner_is_something_new_and_the_same_is_told_once(left, pauses):
    (name,) = left.busy
    heir = replace(ELSEWHERE, owner=replace(ELSEWHERE.owner, id="f" * 16, pid=8))
    pauses.append(lambda: put(left.leases, name, heir))
    left.wait()
    put(left.leases, name, ELSEWHERE)
    pauses.append((left.leases.root / f"{name}.json").unlink)
    left.wait()
    assert len(left.progress.notes) == 1
    left.busy[name] = BusyError(name, heir)
    left.wait()  # for nothing
    assert [note.split()[-3] for note in left.progress.notes] == ["7", "8"]


def test_nothing_begins_while_the_folder_is_cleaned(left, pauses):
    path = put(left.leases, CLEANING, replace(ELSEWHERE, what="cleaning"))
    pauses += [lambda: None, path.unlink]
    wait_for_cleaning(left.leases, left.progress)
    assert pauses == []
    assert left.progress.notes == ["waiting for cleaning, by process 7 on elsewhere"]
