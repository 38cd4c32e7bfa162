"""bench.tracking.events and results.events: what was logged is read, whatever tore the file."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tracking.events import EventsFile
from bench.tracking.tracker import Guarded
from results.events import events_path, read_events


class Clock:
    """Says what it is set to."""

    now = 0.0

    def __call__(self):
        return self.now


def part(runs, steps, *, value=1.0, end=None, clock=None):
    """One part of a training: it logs its steps, and ends or is killed."""
    tracker = EventsFile(runs, clock or Clock())
    tracker.start("key", "a training", {"lr": 0.1, "train": None})
    for step in steps:
        tracker.log(step, {"loss": value + step})
    if end == "finished":
        tracker.finish({"loss": value})
    elif end:
        tracker.fail(end)
    return tracker


def losses(events):
    return {step["step"]: step["loss"] for step in events.steps}


def test_a_training_is_read_as_logged(tmp_path):
    part(tmp_path, range(3), end="finished")
    path = events_path(tmp_path, "key")
    assert path == tmp_path / "log" / "model-key.events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"name": "a training", "config": {"lr": 0.1, "train": None}}
    assert lines[1:4] == [{"step": step, "loss": 1.0 + step} for step in range(3)]
    found = read_events(path)
    assert (found.name, found.config) == ("a training", {"lr": 0.1, "train": None})
    assert found.steps == lines[1:4]
    assert (found.status, found.summary) == ("finished", {"loss": 1.0})


def test_one_that_goes_on_appends_and_its_steps_replace_those_of_before(tmp_path):
    part(tmp_path, range(6), end="interrupted")
    assert read_events(events_path(tmp_path, "key")).status == "interrupted"
    part(tmp_path, [3], value=9.0)
    found = read_events(events_path(tmp_path, "key"))
    assert losses(found) == {0: 1.0, 1: 2.0, 2: 3.0, 3: 12.0}
    assert [step["step"] for step in found.steps] == [0, 1, 2, 3]
    assert (found.status, found.summary) == ("running", {})
    part(tmp_path, [4], value=9.0, end="finished")
    found = read_events(events_path(tmp_path, "key"))
    assert losses(found)[4] == 13.0
    assert len(found.steps) == 5
    assert found.status == "finished"


def test_values_of_a_step_may_come_apart(tmp_path):
    tracker = part(tmp_path, [0, 1])
    tracker.log(1, {"loss": 7.0, "r@1": 0.5})
    tracker.finish({})
    found = read_events(events_path(tmp_path, "key")).steps
    assert found == [{"step": 0, "loss": 1.0}, {"step": 1, "loss": 7.0, "r@1": 0.5}]


@given(st.data())
def test_wherever_it_is_torn_what_is_whole_is_read_and_it_goes_on(tmp_path_factory, data):
    runs = tmp_path_factory.mktemp("runs")
    part(runs, range(3), end="it ended – so")
    path = events_path(runs, "key")
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    found = read_events(path)
    assert len(found.steps) == min(3, max(0, whole - 1))
    assert found.name == ("a training" if whole else "")
    assert found.status == ("it ended – so" if whole > 4 else "running")
    part(runs, [3], end="finished")
    found = read_events(path)
    whole += content[cut : cut + 1] == b"\n"  # only its end was missing
    assert losses(found) == {step: 1.0 + step for step in [*range(min(3, max(0, whole - 1))), 3]}
    assert (found.name, found.status) == ("a training", "finished")


def test_lines_of_noughts_and_of_others_are_left_out(tmp_path):
    part(tmp_path, range(2), end="interrupted")
    path = events_path(tmp_path, "key")
    with path.open("ab") as file:
        file.write(b"\0" * 30 + b'\n[1, 2]\n\xff\xfe\n{"other": 1}\n{"step": 9, "loss": 1')
    assert losses(read_events(path)) == {0: 1.0, 1: 2.0}


def test_it_is_on_the_disk_a_second_later(tmp_path):
    clock = Clock()
    tracker = part(tmp_path, [], clock=clock)
    path = events_path(tmp_path, "key")
    assert not path.exists()
    written = []
    for step, now in enumerate([0.0, 0.5, 0.9, 1.1, 1.2, 2.0, 2.2]):
        clock.now = now
        tracker.log(step, {"loss": 0.0})
        written.append(len(read_events(path).steps))
    assert written == [1, 1, 1, 4, 4, 4, 7]
    tracker.log(7, {"loss": 0.0})
    tracker.fail("interrupted")
    assert len(read_events(path).steps) == 8


def test_what_has_no_steps_has_no_file(tmp_path):
    part(tmp_path, [], end="finished")
    part(tmp_path, [], end="WorkError: no room")
    assert list(tmp_path.iterdir()) == []
    part(tmp_path, [0])
    part(tmp_path, [], end="finished")  # it was stopped after its last step
    found = read_events(events_path(tmp_path, "key"))
    assert (len(found.steps), found.status) == (1, "finished")


def test_numbers_of_numpy_and_none_are_numbers(tmp_path):
    tracker = part(tmp_path, [])
    values = {"loss": np.float32(0.5), "lr": math.inf, "n": np.int64(3), "images": 2**60 + 1}
    tracker.log(0, values)
    tracker.finish({"loss": math.nan})
    path = events_path(tmp_path, "key")
    assert "NaN" not in path.read_text()
    assert "Infinity" not in path.read_text()
    found = read_events(path)
    (step,) = found.steps
    assert (step["loss"], step["n"], step["images"]) == (0.5, 3, 2**60 + 1)
    assert math.isnan(step["lr"])
    assert math.isnan(found.summary["loss"])


def test_a_full_disk_switches_it_off(tmp_path):
    (tmp_path / "log").write_text("no folder can be made here")
    said = []
    guarded = Guarded("--track events", lambda: EventsFile(tmp_path, Clock()), said.append)
    guarded.start("key", "a training", {})
    guarded.log(0, {"loss": 1.0})
    guarded.log(1, {"loss": 1.0})
    guarded.finish({})
    assert len(said) == 1
    assert "switched off (FileExistsError" in said[0]


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_events(events_path(tmp_path, "key"))


def test_reading_imports_no_torch():
    code = (
        "import sys, results.events, bench.tracking.events\n"
        "assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
