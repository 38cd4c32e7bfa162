"""bench.status: who is at work, and who no longer is."""

import os
import socket

import pytest

from bench.execution.artifacts import write_json
from bench.matrix import read_matrix
from bench.plan import make_plan
from bench.status import remember, running, states


@pytest.fixture
def plan():
    words = ["backbone=tiny_vit", "dims=8,16", "dataset=twin-sop"]
    return make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)


def found(runs):
    return [state for _, _, state, _ in states(runs)]


def mark(runs, name, plan, **fields):
    content = {"cells": [cell.key for cell in plan.cells], "since": "yesterday"} | fields
    write_json(runs / "running" / f"{name}.json", content)


def test_cells_are_running_while_their_process_works(plan, tmp_path):
    remember(plan, tmp_path)
    assert found(tmp_path) == ["missing", "missing"]
    with running(plan, tmp_path):
        assert found(tmp_path) == ["running", "running"]
        assert f"by process {os.getpid()} on" in next(iter(states(tmp_path)))[3]
    assert found(tmp_path) == ["missing", "missing"]


def test_a_dead_process_is_not_at_work_and_is_forgotten(plan, tmp_path):
    remember(plan, tmp_path)
    mark(tmp_path, "dead", plan, pid=2**22 + 1, host=socket.gethostname())
    assert found(tmp_path) == ["missing", "missing"]
    with running(plan, tmp_path):
        assert not (tmp_path / "running" / "dead.json").exists()


def test_another_host_is_taken_at_its_word(plan, tmp_path):
    remember(plan, tmp_path)
    mark(tmp_path, "other", plan, pid=1, host="elsewhere")
    with running(plan, tmp_path):
        pass
    assert found(tmp_path) == ["running", "running"]
