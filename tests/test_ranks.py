"""bench.execution.ranks, bench.train.rank: processes that train together, and how they end."""

import json
import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import Pipe, get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from bench.execution import ranks, relay
from bench.execution.artifacts import Artifacts
from bench.execution.manifest import read_manifest
from bench.execution.messages import Failed, Settings
from bench.execution.pool import FORKING, warm_up
from bench.execution.ranks import Rank, RankFailedError, launch, read_order, write_order
from bench.execution.work import name_of
from bench.identity import key_of
from bench.pixels import Cache
from bench.progress import Silent
from bench.stages.context import Context
from bench.stages.weights import LOG, STATE, train_weights
from bench.stop import Interrupted, Stop
from bench.train import rank
from bench.train.checkpoint import Checkpoint
from bench.train.snapshot import Snapshot, write_snapshot
from registry.errors import WorkError
from tests.run_folders import plan_of

CPU = torch.device("cpu")
GENTLE = "smoke(steps=40,optimiser=sgd,lr=0.01)"
"""Whose rounding does not grow, as a division by small gradients makes it."""


class Heard(Silent):
    """Remembers what is told, and does something when a step is under way."""

    def __init__(self, at_work=lambda: None):
        self.at_work = at_work
        self.notes = []
        self.units = 0

    @contextmanager
    def step(self, name, total, unit, done=0):
        def advance(n, said=""):
            if not self.units:
                self.at_work()
            self.units += n

        yield advance

    def note(self, text):
        self.notes.append(text)


def model_of(dataset="twin-sop", recipe=GENTLE):
    words = ["weights=scratch", "loss=contrastive+koleo", "resolution=32", f"recipe={recipe}"]
    (cell,) = plan_of("backbone=tiny_vit", f"dataset={dataset}", *words).cells
    return cell.scores.descriptors.features.extraction.model


def settings_of(runs, data):
    return Settings(runs, data, Path.cwd(), 10**8, force=False, workers=2)


def context_of(runs, data, progress=None):
    artifacts = Artifacts(runs)
    artifacts.prepare()
    heard = progress or Heard()
    cache = Cache(runs / "cache", 10**8, heard.note)
    return Context(artifacts, data, CPU, heard, cache, Stop(), devices=["cpu", "cpu"])


def launched(model, runs, data, progress=None):
    context = context_of(runs, data, progress)
    launch(model, settings_of(runs, data), context)
    return context


def result(model, context):
    folder = context.artifacts.open(model)
    return load_file(folder / STATE), json.loads((folder / LOG).read_text())


class Forked:
    """Stands for a rank's process: one that has torch already, since importing takes seconds."""

    def __init__(self, arguments, about, connection):
        warm_up()
        kind = get_context("forkserver" if FORKING else "spawn").Process
        self.process = kind(target=_be_rank, args=(arguments, about, connection))
        self.process.start()
        self.pid = self.process.pid

    def wait(self):
        self.process.join()
        return self.returncode

    def kill(self):
        self.process.kill()

    def send_signal(self, number):
        os.kill(self.pid, number)

    @property
    def returncode(self):
        return self.process.exitcode


def _be_rank(arguments, about, connection):
    os.environ |= about
    relay.TELL_EVERY = 0.0
    pipe = os.dup(connection.fileno())
    connection.close()
    sys.exit(rank.main([*arguments, "--pipe", str(pipe)]))


@pytest.fixture
def started(monkeypatch):
    """Ranks in the order in which they are started, quicker than from scratch."""
    found = []

    def start(number, device, order, about):
        ours, theirs = Pipe()
        with theirs:
            process = Forked(["--order", str(order), "--device", device], about, theirs)
        found.append(Rank(number, device, process, ours))
        return found[-1]

    monkeypatch.setattr(ranks, "_start", start)
    yield found
    assert all(rank.process.returncode is not None for rank in found)


@pytest.fixture(scope="module")
def together(data, tmp_path_factory):
    model = model_of()
    context = launched(model, tmp_path_factory.mktemp("together"), data)
    return (*result(model, context), context)


def test_two_processes_train_as_one_does(together, data, tmp_path):
    weights, log, context = together
    model, alone = model_of(), context_of(tmp_path, data)
    train_weights(model, alone)
    expected, expected_log = result(model, alone)
    np.testing.assert_allclose(log["losses"], expected_log["losses"], rtol=1e-5)
    for name, wanted in expected.items():
        torch.testing.assert_close(weights[name], wanted, rtol=0, atol=1e-5)
    first = log["losses"][0]
    assert abs(log["losses"][-1] - first) > 1e-2 * first  # it moved
    assert context.progress.units == len(log["losses"]) == 40
    assert not context.artifacts.checkpoint(model).exists()
    computed = read_manifest(context.artifacts.path(model))["computed"]
    assert computed["notes"] == ["trained by 2 processes: costs are of the first"]
    assert computed["log"] == f"log/{name_of(model)}.log"


def test_a_stop_leaves_a_checkpoint_and_the_end_is_the_same(together, data, tmp_path, started):
    model = model_of()
    heard = Heard()
    context = context_of(tmp_path, data, heard)
    heard.at_work = lambda: setattr(context.stop, "by", signal.SIGTERM)
    with pytest.raises(Interrupted) as raised:
        launch(model, settings_of(tmp_path, data), context)
    assert raised.value.exit_code == 128 + signal.SIGTERM
    assert [rank.exit_code for rank in started] == [128 + signal.SIGTERM] * 2
    assert not context.artifacts.has(model)
    (said,) = heard.notes
    assert said.startswith("stopped after ")

    again = Heard()
    resumed = result(model, launched(model, tmp_path, data, again))
    assert any("resumed at step " in note for note in again.notes)
    weights, log, _ = together
    assert resumed[1] == log
    assert all(torch.equal(resumed[0][name], wanted) for name, wanted in weights.items())


def test_a_rank_that_is_killed_is_named_and_none_is_left(data, tmp_path, started):
    def kill():
        os.kill(started[1].process.pid, signal.SIGKILL)

    with pytest.raises(WorkError, match=r"rank 1 \(cpu\) of the training was ended by SIGKILL"):
        launched(model_of(), tmp_path, data, Heard(kill))


def test_what_fails_on_one_rank_is_told_in_its_words(photos, tmp_path, started):
    for path in sorted(photos.glob("class*/*.jpg")):
        path.write_bytes(path.read_bytes()[:200])
    recipe = "smoke(batch_images=4,steps=2)"
    model = model_of(f"folder:{photos}@split=classes", recipe)
    with pytest.raises(RankFailedError, match=r"class\d/\d\.jpg .*--skip-bad-images") as raised:
        launched(model, tmp_path / "runs", tmp_path)
    failed = raised.value.failed
    assert failed.error == "BadImageError"
    assert failed.blamed == name_of(model)
    assert failed.log == f"log/{name_of(model)}.log"
    assert {rank.exit_code for rank in started} <= {1, None}


def test_a_rank_stops_with_one_that_was_asked(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint", "key", Stop(), print)
    group = SimpleNamespace(first=False, any=lambda asked: True)
    with pytest.raises(Interrupted):
        checkpoint.after_step(SimpleNamespace(group=group))
    assert not checkpoint.folder.exists()


def test_a_rank_that_is_not_the_first_writes_nothing(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "checkpoint", "key", Stop(), print)
    written = []
    monkeypatch.setattr(checkpoint, "_write", written.append)
    monkeypatch.setattr("bench.train.checkpoint.SECONDS", -1)
    for first in (False, True):
        group = SimpleNamespace(first=first, any=lambda asked: False)
        checkpoint.after_step(SimpleNamespace(group=group))
        assert len(written) == first


def test_a_checkpoint_of_another_number_of_processes_counts_for_nothing(tmp_path):
    notes = []
    checkpoint = Checkpoint(tmp_path, "key", Stop(), notes.append)
    facts = {"origin": checkpoint._origin(CPU, 1)}
    write_snapshot(Snapshot({}, facts), checkpoint.file)
    assert checkpoint.read(nn.Identity(), CPU, 1) is not None
    assert checkpoint.read(nn.Identity(), CPU, 2) is None
    assert "processes was 1 and is 2" in notes[0]


def test_an_order_is_read_as_it_was_written(tmp_path):
    model, settings = model_of(), settings_of(tmp_path, tmp_path / "data")
    write_order(tmp_path / "order.json", model, settings)
    found, told = read_order(tmp_path / "order.json")
    assert found == model
    assert key_of(found) == key_of(model)
    assert asdict(told) == {**asdict(settings), "track": []}


def failed(error):
    return Failed(error, f"of {error}", "", "model-0")


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([("LostRankError", 1), ("WorkError", 1)], "of WorkError"),
        ([("WorkError", 1), ("OSError", 1)], "of WorkError"),
        (
            [("LostRankError", 1), (None, -9)],
            r"rank 1 \(cpu\) of the training was ended by SIGKILL",
        ),
        ([(None, -6), ("WorkError", 1)], "of WorkError"),
        (
            [(None, 7), (None, -9)],
            r"rank 0 \(cpu\) of the training ended \(exit code 7\); see the log",
        ),
        ([("LostRankError", 1), ("LostRankError", 1)], "of LostRankError"),
    ],
)
def test_what_explains_the_most_is_said(ends, said):
    found = [
        SimpleNamespace(number=number, device="cpu", failed=error and failed(error), exit_code=code)
        for number, (error, code) in enumerate(ends)
    ]
    with pytest.raises(WorkError, match=said):
        ranks._judge(found)


def test_nothing_is_said_where_none_failed():
    ranks._judge([])


def test_a_rank_without_others_says_how_to_start_it(tmp_path, monkeypatch, capfd):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    order = tmp_path / "order.json"
    write_order(order, model_of(), settings_of(tmp_path, tmp_path))
    with pytest.raises(SystemExit) as ended:
        rank.main(["--order", str(order), "--device", "cpu"])
    assert ended.value.code == 1
    assert "not set: start this with torchrun" in capfd.readouterr().err
    assert not list((tmp_path / "leases").glob("model-*"))
