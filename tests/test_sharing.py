"""Runs that share a folder: each stage is computed once, whatever one of them does."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

import results
from bench.cli import main
from bench.execution import lease_files
from bench.execution.leases import Leases
from bench.execution.owner import Lease, Owner
from bench.execution.work import name_of
from bench.matrix import read_matrix
from bench.plan import make_plan
from bench.plan_notes import remember
from bench.stages.features import _extract
from bench.status import states
from results.store import failure_path, report_path

ROOT = Path(__file__).resolve().parent.parent
WORDS = ["dims=8,16", "backbone=tiny_vit,tiny_conv", "dataset=twin-sop"]
TRAINED, BARE = [*WORDS, "recipe=smoke"], [*WORDS, "weights=scratch", "loss=none", "resolution=32"]
ELSEWHERE = Owner("e" * 16, "elsewhere", "elsewhere's boot", 7, "1")


def plan_of(words):
    return make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)


def started(data, runs):
    command = [
        sys.executable,
        "-m",
        "bench",
        "run",
        *TRAINED,
        "--data",
        data,
        "--runs",
        runs,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def computed(runs):
    """How often each stage was."""
    return Counter(
        tuple(line.split()[-2:])
        for path in (runs / "log").glob("*.log")
        for line in path.read_text().splitlines()
        if line.split()[1] == "computed"
    )


def until(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """The folder of a run that nobody disturbed."""
    runs = tmp_path_factory.mktemp("alone")
    process = started(data, runs)
    assert "4 cells done" in process.communicate()[0]
    return runs


@pytest.fixture(scope="module")
def bare(data, tmp_path_factory):
    """The same without training."""
    runs = tmp_path_factory.mktemp("bare")
    words = ["run", *BARE, "--quiet", "--data", str(data), "--runs", str(runs)]
    assert CliRunner().invoke(main, words).exit_code == 0
    return runs


def same_numbers(one, other):
    first, second = (results.load(runs).set_index("key") for runs in (one, other))
    return first[["r@1", "map@r"]].equals(second[["r@1", "map@r"]])


def test_two_runs_compute_each_stage_once(data, tmp_path, alone):
    """A third keeps both trainings to itself until the two have nothing else to do."""
    runs, outputs = tmp_path / "runs", []
    models = {name_of(cell.stages()[0]) for cell in plan_of(TRAINED).cells}
    with ExitStack() as third:
        leases = third.enter_context(Leases(runs))
        for name in models:
            third.enter_context(leases.holding(name, "a third"))
        processes = [started(data, runs) for _ in range(2)]
        for process in processes:
            while not (line := process.stdout.readline()).startswith("waiting for a third"):
                assert line, "it ended"
            assert f"by process {os.getpid()} on" in line
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert all("4 cells done" in output for output in outputs)
    assert computed(runs) == computed(alone)
    assert set(computed(runs).values()) == {1}
    assert list((runs / "leases").iterdir()) == []
    assert any("done by another run" in output for output in outputs)
    assert same_numbers(runs, alone)


def test_after_a_kill_another_takes_over_at_once(data, tmp_path, alone):
    runs = tmp_path / "runs"
    killed = started(data, runs)
    until(lambda: list((runs / "leases").glob("model-*.json")))
    killed.send_signal(signal.SIGKILL)  # and not waited for: a zombie meanwhile
    begun = time.monotonic()
    second = started(data, runs)
    output = second.communicate()[0]
    assert second.returncode == 0, output
    assert "waiting" not in output
    assert time.monotonic() - begun < 50, "it waited for the lease to expire"
    killed.communicate()
    assert set(computed(runs).values()) == {1}
    assert list((runs / "leases").iterdir()) == []
    assert same_numbers(runs, alone)


@pytest.fixture
def held(bench):
    """The lease of a live process elsewhere on what both cells of tiny_vit need."""
    extraction = plan_of(BARE).cells[0].stages()[1]
    (bench.runs / "leases").mkdir(parents=True)
    path = bench.runs / "leases" / f"{name_of(extraction)}.json"
    assert lease_files.put(path, Lease(ELSEWHERE, "extracting tiny_vit", "2026-01-01T00:00"))
    return path


def after_a_while(monkeypatch, act):
    """Call it in the place of the first pause; fail if there are many."""
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        assert len(pauses) < 50
        if len(pauses) == 3:
            act()

    monkeypatch.setattr("bench.execution.others.time.sleep", pause)
    return pauses


def test_what_another_is_at_comes_last_and_is_waited_for(bench, held, monkeypatch):
    pauses = after_a_while(monkeypatch, held.unlink)
    output = bench("run", *BARE).output
    assert len(pauses) == 3
    lines = output.splitlines()
    (waiting,) = [index for index, line in enumerate(lines) if line.startswith("waiting")]
    assert lines[waiting] == "waiting for extracting tiny_vit, by process 7 on elsewhere"
    done = [index for index, line in enumerate(lines) if line.startswith("[")]
    assert ["tiny_conv" in lines[index] for index in done] == [True, True, False, False]
    assert done[1] < waiting < done[2]
    assert "4 cells done" in output


def test_what_another_finished_is_used_as_it_is(bench, held, bare, monkeypatch):
    (cell, *_) = plan_of(BARE).cells

    def finish():
        for path in (bare / "artifacts").rglob("*"):
            if path.is_file():
                copy = bench.runs / path.relative_to(bare)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
        for name in (report_path(bare, cell.key), bare / "reports" / f"{cell.key}.parquet"):
            (bench.runs / "reports" / name.name).write_bytes(name.read_bytes())
        held.unlink()

    after_a_while(monkeypatch, finish)
    output = bench("run", *BARE).output
    assert "done by another run" in output
    assert "done before" not in output
    assert computed(bench.runs).keys() < computed(bare).keys()
    assert same_numbers(bench.runs, bare)


def test_what_failed_elsewhere_is_tried_here(bench, held, monkeypatch):
    first, _, third, _ = plan_of(BARE).cells

    def fail():
        for cell in (first, third):
            path = failure_path(bench.runs, cell.key)
            path.parent.mkdir(exist_ok=True)
            path.write_text('{"message": "no such luck"}')
        held.unlink()

    after_a_while(monkeypatch, fail)
    assert "4 cells done" in bench("run", *BARE).output
    assert "4 done" in bench("status").output


def test_a_dead_host_is_taken_over_after_a_minute_of_looking(bench, held, monkeypatch):
    now = [0.0]
    timed = partial(Leases, clock=lambda: now[0])
    monkeypatch.setattr("bench.execution.local.Leases", timed)

    def pause(seconds):
        now[0] += seconds
        assert now[0] < 100

    monkeypatch.setattr("bench.execution.others.time.sleep", pause)
    assert "4 cells done" in bench("run", *BARE).output
    assert now[0] > 50


def test_who_fails_fast_waits_for_nobody(bench, inline, held, monkeypatch):
    pauses = after_a_while(monkeypatch, held.unlink)
    monkeypatch.setattr("bench.stages.scores.score", None)
    output = bench("run", *BARE, "--fail-fast", exit_code=1).output
    assert "0 cells done, 1 failed, 3 not tried" in output
    assert pauses == []


def test_another_owner_of_the_same_stage_is_told_of_too(bench, held, monkeypatch):
    def change_hands():
        heir = replace(ELSEWHERE, id="f" * 16, pid=8)
        lease_files.replace(held, Lease(heir, "extracting tiny_vit", "2026-01-01T00:00"))
        after_a_while(monkeypatch, held.unlink)

    after_a_while(monkeypatch, change_hands)
    output = bench("run", *BARE).output
    told = [line for line in output.splitlines() if line.startswith("waiting")]
    assert [line.split()[-3] for line in told] == ["7", "8"]


def test_force_minds_leases_too(bench, held, monkeypatch, bare):
    pauses = after_a_while(monkeypatch, held.unlink)
    bench("run", *BARE, "--force", "--quiet")
    assert len(pauses) == 3
    assert same_numbers(bench.runs, bare)


def test_ctrl_c_while_waiting_ends_at_once(bench, held, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    pauses = after_a_while(monkeypatch, interrupted)
    output = bench("run", *BARE, exit_code=130).output
    assert "interrupted: 2 of 4 cells done; go on with" in output
    assert len(pauses) == 3
    assert list((bench.runs / "leases").iterdir()) == [held]


def test_a_run_folder_that_is_removed_ends_the_run(bench, inline, monkeypatch):
    def removed(*arguments):
        _extract(*arguments)
        bench.runs.rename(bench.runs.with_name("away"))

    monkeypatch.setattr("bench.stages.features._extract", removed)
    output = bench("run", *BARE, exit_code=1).output
    assert "was removed while this run was at work there" in output
    assert "Traceback" not in output
    assert output.count("FAILED") == 0


def test_status_shows_who_is_at_which_cells(bench, held):
    words = [word.replace("tiny_vit,", "") for word in BARE]
    bench("run", *words, "--quiet")
    remember(plan_of(BARE), bench.runs)
    found = states(bench.runs)
    assert [cell.state for cell in found] == ["done", "done", "running", "running"]
    detail = found[-1].detail
    pattern = (
        r"extracting tiny_vit, by process 7 on elsewhere since 2026-01-01T00:00, heartbeat \d+ s"
    )
    assert re.match(pattern, detail)
