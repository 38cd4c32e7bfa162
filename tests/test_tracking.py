"""bench.tracking: told of everything, able to harm nothing."""

import itertools
import os
import signal
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

import results
from bench import tracking
from bench.execution.artifacts import Artifacts, read_json
from bench.identity import key_of
from bench.progress import Silent
from bench.stages.context import Context
from bench.stages.weights import LOG, STATE, train_weights
from bench.stop import Interrupted, Stop
from bench.tracking import TRACKERS, TrackerRow, check_trackers, open_trackers
from bench.tracking.runs import flattened, track_report
from bench.tracking.tensorboard import TensorBoard, as_table, folder_name
from bench.tracking.tracker import UNTRACKED, Guarded, Several, tracked
from bench.tracking.wandb import WeightsAndBiases
from bench.train import loop
from registry.errors import UsageError, WorkError
from registry.recipes import RECIPES
from registry.table import Table
from results.events import events_path, read_events
from tests.conftest import write_photos
from tests.trainings import model_of, recipe_of

CALLS = ("start", "log", "finish", "fail")


class Heard:
    """Keeps what it is told, and fails where it should."""

    def __init__(self, told=None, fails=(), error=None):
        self.told = [] if told is None else told
        self.fails = fails
        self.error = error or OSError("the disk is full\nsays the kernel")

    def _hear(self, name, *about):
        self.told.append((name, *about))
        if name in self.fails:
            raise self.error

    def start(self, key, name, config):
        self._hear("start", key, name, dict(config))

    def log(self, step, values):
        self._hear("log", step, dict(values))

    def finish(self, summary):
        self._hear("finish", dict(summary))

    def fail(self, message):
        self._hear("fail", message)


def names(told):
    return [call[0] for call in told]


def whole_run(tracker, *, failing=False):
    tracker.start("key", "name", {"a": 1})
    tracker.log(0, {"loss": 2.0})
    tracker.log(1, {"loss": 1.0})
    tracker.fail("it broke") if failing else tracker.finish({"loss": 1.0})


WHOLE = [
    ("start", "key", "name", {"a": 1}),
    ("log", 0, {"loss": 2.0}),
    ("log", 1, {"loss": 1.0}),
]


def test_several_tell_each_and_nobody_tells_nobody():
    one, other = Heard(), Heard()
    whole_run(Several([one, other, UNTRACKED]))
    whole_run(Several([one, other, UNTRACKED]), failing=True)
    done = [*WHOLE, ("finish", {"loss": 1.0}), *WHOLE, ("fail", "it broke")]
    assert one.told == other.told == done


def test_a_run_ends_with_its_summary():
    heard = Heard()
    with tracked(heard, "key", "name", {"a": 1}) as summary:
        summary["r@1"] = 0.5
        assert names(heard.told) == ["start"]
    assert heard.told == [WHOLE[0], ("finish", {"r@1": 0.5})]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (WorkError("no room"), "WorkError: no room"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "interrupted"),
        (Interrupted(signal.SIGTERM), "interrupted"),
    ],
)
def test_a_run_that_breaks_is_told_so_and_breaks(error, message):
    heard = Heard()
    with pytest.raises(type(error)) as raised, tracked(heard, "key", "name", {}):
        raise error
    assert raised.value is error
    assert heard.told[1:] == [("fail", message)]


def test_a_run_interrupted_at_its_start_is_over():
    heard, other = Heard(), Heard(fails=["start"], error=Interrupted(signal.SIGTERM))
    with pytest.raises(Interrupted), tracked(Several([heard, other]), "key", "name", {}):
        pytest.fail("it did not start")
    assert heard.told[1:] == [("fail", "interrupted")]


@pytest.mark.parametrize("at", CALLS)
def test_a_tracker_that_fails_is_switched_off_and_that_said_once(at):
    heard, notes, opened = Heard(fails=[at]), [], []

    def open_one():
        opened.append(1)
        return heard

    guarded = Guarded("--track mine", open_one, notes.append)
    for _ in range(3):
        whole_run(guarded, failing=at == "fail")
    assert names(heard.told).count(at) == 1
    assert names(heard.told)[-1] == at  # nothing after that
    assert opened == [1]
    why = "OSError: the disk is full"
    assert notes == [f"--track mine is switched off ({why}); the run goes on without it"]


def test_a_tracker_that_cannot_be_opened_is_switched_off():
    notes, tries = [], []

    def broken():
        tries.append(1)
        raise ImportError("no module named protobuf")

    guarded = Guarded("--track mine", broken, notes.append)
    whole_run(guarded)
    whole_run(guarded)
    assert len(notes) == len(tries) == 1
    assert "ImportError: no module named protobuf" in notes[0]


@pytest.mark.parametrize("at", CALLS)
def test_ctrl_c_within_a_tracker_is_no_fault_of_its(at):
    notes = []
    heard = Heard(fails=[at], error=KeyboardInterrupt())
    guarded = Guarded("--track mine", lambda: heard, notes.append)
    with pytest.raises(KeyboardInterrupt):
        whole_run(guarded, failing=at == "fail")
    assert notes == []


def test_a_tracker_that_did_not_start_is_not_ended():
    heard = Heard(fails=["start"], error=KeyboardInterrupt())
    guarded = Guarded("mine", lambda: heard, print)
    with pytest.raises(KeyboardInterrupt), tracked(guarded, "k", "", {}):
        pass
    assert names(heard.told) == ["start"]


def test_each_run_has_a_tracker_of_its_own():
    opened = []

    def open_one():
        opened.append(Heard())
        return opened[-1]

    guarded = Guarded("--track mine", open_one, print)
    whole_run(guarded)
    whole_run(guarded, failing=True)
    guarded.finish({})  # no run is under way
    assert [names(heard.told)[-1] for heard in opened] == ["finish", "fail"]
    assert [len(heard.told) for heard in opened] == [4, 4]


def row(name, open_one, package="json"):
    return TrackerRow(name=name, meaning="", package=package, extra=name, open=open_one)


@pytest.fixture
def hearing(monkeypatch):
    """Two trackers, one of which breaks at its second step; what the other is told."""
    told, folders = [], []

    def good(folder):
        folders.append(folder)
        return Heard(told)

    def bad(folder):
        return Heard(fails=["log"])

    table = Table("tracker", [row("bad", bad), row("good", good)])
    monkeypatch.setattr(tracking, "TRACKERS", table)
    return SimpleNamespace(told=told, folders=folders)


def test_trackers_are_opened_by_name_once_each_and_only_for_a_run(hearing, tmp_path):
    notes = []
    tracker = open_trackers(["bad", "good", "good"], tmp_path, notes.append)
    assert hearing.folders == []
    whole_run(tracker)
    assert hearing.folders == [tmp_path / "tracking"]
    assert hearing.told == [*WHOLE, ("finish", {"loss": 1.0})]
    assert len(notes) == 1
    assert notes[0].startswith("--track bad is switched off")


def test_the_events_file_is_told_whoever_else_is(hearing, tmp_path):
    whole_run(open_trackers([], tmp_path, pytest.fail))
    assert hearing.folders == []
    assert [event["loss"] for event in read_events(events_path(tmp_path, "key")).steps] == [
        2.0,
        1.0,
    ]


def test_a_missing_package_is_said_before_anything_starts(bench, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda package: None)
    message = (
        "--track wandb: the package wandb is not installed; pip install 'retrieval-bench[wandb]'"
    )
    with pytest.raises(UsageError) as raised:
        check_trackers(["wandb"])
    assert str(raised.value) == message
    assert message in bench("run", "--preset", "smoke", "--track", "wandb", exit_code=2).output
    assert not bench.runs.exists()


def test_an_unknown_tracker_names_the_nearest(bench):
    shown = bench("run", "--preset", "smoke", "--track", "tensorbord", exit_code=2).output
    assert "unknown tracker 'tensorbord'; did you mean 'tensorboard'?" in shown
    assert not bench.runs.exists()


def test_a_tracker_that_is_there_is_looked_for_and_not_imported(monkeypatch):
    monkeypatch.setattr(tracking, "TRACKERS", Table("tracker", [row("mine", None, "turtledemo")]))
    check_trackers(["mine"])
    assert "turtledemo" not in sys.modules


def test_to_know_the_trackers_imports_none_of_them():
    code = (
        "import sys, bench.tracking\n"
        "assert not {'torch', 'tensorboard', 'wandb', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_row_has_its_extra():
    import tomllib
    from pathlib import Path

    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    extras = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
    for known in TRACKERS.values():
        assert any(needed.startswith(known.package) for needed in extras[known.extra])


@pytest.fixture
def training(tmp_path, monkeypatch):
    """A short training on photos with a checkpoint after every step: model, and do(tracker)."""
    monkeypatch.setattr("bench.train.checkpoint.SECONDS", 0)
    monkeypatch.setattr("bench.train.checkpoint.SHARE", 1)
    root = write_photos(tmp_path / "own")
    model = model_of(
        train=f"folder:{root}@split=classes", loss="contrastive", batch_images=4, lr=1e-3
    )
    cache = SimpleNamespace(store=lambda *about: None)

    def do(tracker=UNTRACKED, runs=tmp_path / "runs", stop=None):
        artifacts = Artifacts(runs)
        artifacts.prepare()
        context = Context(
            artifacts,
            tmp_path,
            torch.device("cpu"),
            Silent(),
            cache,
            stop or Stop(),
            tracker=tracker,
        )
        train_weights(model, context)
        folder = context.artifacts.path(model)
        return read_json(folder / LOG)["losses"], load_file(folder / STATE)

    return SimpleNamespace(model=model, do=do, runs=tmp_path / "runs")


def interrupt_after(monkeypatch, step):
    """Have a signal come while a step is done."""
    learn, calls = loop.learn, itertools.count(1)

    def signalled(*arguments):
        learn(*arguments)
        if next(calls) == step:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("bench.train.loop.learn", signalled)


def interrupted(training, monkeypatch, tracker, step):
    with monkeypatch.context() as patched:
        interrupt_after(patched, step)
        stop = Stop()
        with pytest.raises(Interrupted), stop.listening():
            training.do(tracker, stop=stop)


def same(one, other):
    assert one[0] == other[0]
    assert all(torch.equal(one[1][name], other[1][name]) for name in one[1] | other[1])


def test_a_training_is_told_step_by_step(training):
    heard = Heard()
    losses, _ = training.do(heard)
    (_, key, name, config), *steps, end = heard.told
    assert key == key_of(training.model)
    recipe = training.model.training.recipe
    for part in ("tiny_vit", "scratch", "cls", "loss:contrastive", "32px", recipe, "seed:0"):
        assert part in name.split()
    assert config["backbone"] == "tiny_vit"
    assert config["training.pooling"] == "cls"
    assert config["spec.architecture"] == "test_vit"
    assert not any(isinstance(value, dict) for value in config.values())
    row = recipe_of(training.model)
    for (call, step, values), loss, at in zip(steps, losses, range(6), strict=True):
        assert (call, step) == ("log", at)
        assert values["loss"] == loss
        assert values["lr"] == row.lr * loop.rate_at(at, row)
        assert {"positive_similarity", "negative_similarity", "active_negatives"} < values.keys()
        assert values["images_per_second"] > 0
    assert end == ("finish", {"loss": losses[-1], "steps": 6, "images": 12, "skipped": 0})


def test_a_training_that_goes_on_is_told_from_there(training, monkeypatch, tmp_path):
    heard = Heard()
    interrupted(training, monkeypatch, heard, 3)
    assert [call[1] for call in heard.told if call[0] == "log"] == [0, 1, 2]
    assert heard.told[-1] == ("fail", "interrupted")
    first, heard.told = heard.told[0], []
    losses, _ = training.do(heard)
    assert heard.told[0] == first
    assert [call[1] for call in heard.told if call[0] == "log"] == [3, 4, 5]
    assert heard.told[-1][1]["loss"] == losses[-1]
    assert heard.told[-1][1]["steps"] == 6


def test_a_training_that_fails_is_told_why(training, monkeypatch):
    heard = Heard()
    monkeypatch.setattr("bench.train.step.functional.normalize", lambda v, dim: v * float("nan"))
    with pytest.raises(WorkError, match="the loss is nan at step 0"):
        training.do(heard)
    assert names(heard.told) == ["start", "fail"]
    assert heard.told[-1][1].startswith("WorkError: the loss is nan at step 0")


def test_weights_that_cannot_be_written_are_no_finished_run(training, monkeypatch):
    heard = Heard()

    def full(*about):
        raise WorkError("the disk is full")

    monkeypatch.setattr(Artifacts, "publish", full)
    with pytest.raises(WorkError, match="the disk is full"):
        training.do(heard)
    assert heard.told[-1] == ("fail", "WorkError: the disk is full")


@pytest.mark.parametrize("at", ["start", "log", "finish"])
def test_a_failing_tracker_changes_nothing_in_a_training(training, tmp_path, at):
    notes = []
    guarded = Guarded("--track mine", lambda: Heard(fails=[at]), notes.append)
    same(training.do(guarded), training.do(runs=tmp_path / "other"))
    assert len(notes) == 1


def test_a_report_is_told_with_its_numbers():
    heard = Heard()
    report = {
        "key": "0123456789abcdef",
        "job": {"dataset": "sop", "seed": None},
        "metrics": {"r@1": 0.5, "map@r": 0.25},
        "cost": {"gmacs": 1.5, "params": 7, "latency": None, "bytes": {"index": 3}},
    }
    track_report("sop deit_s", report, heard)
    assert heard.told == [
        ("start", "0123456789abcdef", "sop deit_s", {"dataset": "sop", "seed": None}),
        (
            "finish",
            {"r@1": 0.5, "map@r": 0.25, "cost.gmacs": 1.5, "cost.params": 7, "cost.bytes.index": 3},
        ),
    ]


def test_a_matrix_tells_its_trainings_and_its_cells(bench, inline, hearing):
    words = ("run", "backbone=tiny_conv", "recipe=smoke", "dataset=twin-sop", "dims=8,16")
    shown = bench(*words, "--track", "good", "--track", "bad")
    assert "--track bad is switched off" in shown.output
    starts = [call for call in hearing.told if call[0] == "start"]
    assert starts[0][2].startswith("training tiny_conv")
    frame = results.load(bench.runs)
    assert {call[1] for call in starts[1:]} == set(frame["key"])
    ends = [call[1] for call in hearing.told if call[0] == "finish"]
    assert sorted(end["r@1"] for end in ends[1:]) == sorted(frame["r@1"])
    assert names(hearing.told).count("log") == RECIPES["smoke"].steps


def test_nested_values_are_named_by_their_path():
    nested = {"a": {"b": 1, "c": {"d": [2]}}, "e": None, "f": {}}
    assert flattened(nested) == {"a.b": 1, "a.c.d": [2], "e": None}


def test_a_folder_can_be_called_after_any_run():
    key = "0123456789abcdef"
    long = "folder:/data/ä b loss:contrastive(beta=0.5) " + "x" * 300
    for name in (long, "..", "", "a/../../b", "sop timm:vit_tiny.x"):
        folder = folder_name(key, name)
        assert folder.endswith(f"-{key}")
        assert len(folder.encode()) < 200
        assert not set(folder) & set("/\\:*?\"<>| '")
        assert not folder.startswith(".")
    assert folder_name(key, "sop deit_s 224px") == f"sop_deit_s_224px-{key}"


def test_a_config_is_a_markdown_table():
    assert as_table({"a": 1, "b": "x|y"}).splitlines()[2:] == ["| a | 1 |", "| b | x\\|y |"]


@pytest.fixture
def boards():
    """Read event files as TensorBoard does: run -> scalars and texts, by step."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder):
        found = EventAccumulator(str(folder), {"tensors": 0, "scalars": 0}).Reload()
        scalars = {
            tag: [(event.step, event.value) for event in found.Scalars(tag)]
            for tag in found.Tags()["scalars"]
        }
        texts = {
            tag: [event.tensor_proto.string_val[0].decode() for event in found.Tensors(tag)]
            for tag in found.Tags()["tensors"]
        }
        return scalars, texts

    return read


def guarded(open_one, folder, notes):
    return Guarded("--track mine", partial(open_one, folder), notes.append)


def test_tensorboard_shows_a_training_that_went_on(training, boards, tmp_path, monkeypatch):
    notes = []
    tracker = guarded(TensorBoard, tmp_path / "t", notes)
    interrupted(training, monkeypatch, tracker, 3)
    after = training.do(tracker)
    same(after, training.do(runs=tmp_path / "other"))
    (run,) = (tmp_path / "t" / "tensorboard").iterdir()
    assert run.name.endswith(f"-{key_of(training.model)}")
    scalars, texts = boards(run)
    losses = [pytest.approx(loss) for loss in after[0]]
    assert scalars["loss"] == list(enumerate(losses))
    assert [step for step, _ in scalars["lr"]] == list(range(6))
    assert scalars["final/loss"] == [(5, losses[-1])]
    assert texts["status/text_summary"] == ["interrupted", "finished"]
    assert "| training.pooling | cls |" in texts["config/text_summary"][0]
    assert notes == []


def test_tensorboard_hides_steps_that_are_done_again(boards, tmp_path):
    for first in (0, 2):  # the first part dies, without a word, after steps that nothing kept
        tracker = TensorBoard(tmp_path)
        tracker.start("key", "name", {})
        for step in range(first, 4):
            tracker.log(step, {"loss": 10 * first + step})
        tracker._writer.flush() if first == 0 else tracker.finish({})
    scalars, _ = boards(tmp_path / "tensorboard" / "name-key")
    assert scalars["loss"] == [(0, 0), (1, 1), (2, 22), (3, 23)]


def test_tensorboard_shows_a_cell(boards, tmp_path):
    tracker = TensorBoard(tmp_path)
    with tracked(tracker, "key", "name", {"dims": 8}) as summary:
        summary["r@1"] = 0.5
    scalars, texts = boards(tmp_path / "tensorboard" / "name-key")
    assert scalars == {"final/r@1": [(0, 0.5)]}
    assert texts["status/text_summary"] == ["finished"]


def test_a_folder_that_cannot_be_written_switches_tensorboard_off(training, tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "t").write_text("a file")
    notes = []
    training.do(guarded(TensorBoard, tmp_path / "t", notes))
    assert len(notes) == 1
    assert "Error" in notes[0]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Have W&B find no settings or logins of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("HOME", str(tmp_path))
    return pytest.importorskip("wandb")


def test_wandb_keeps_a_training_on_disk_and_says_nothing(
    training, offline, tmp_path, monkeypatch, capfd
):
    notes, started = [], []
    init = offline.init

    def noted(**options):
        started.append(init(**options))
        return started[-1]

    monkeypatch.setattr(offline, "init", noted)
    tracker = guarded(WeightsAndBiases, tmp_path / "t", notes)
    interrupted(training, monkeypatch, tracker, 3)
    same(training.do(tracker), training.do(runs=tmp_path / "other"))
    assert notes == []
    assert "".join(capfd.readouterr()) == ""
    offline.teardown()  # its service may still be writing
    key = key_of(training.model)
    assert [run.id for run in started] == [key, key]
    assert all(run.offline for run in started)
    kept = sorted((tmp_path / "t" / "wandb").glob(f"offline-run-*-{key}/run-{key}.wandb"))
    assert kept
    assert all(file.stat().st_size > 0 for file in kept)


def test_wandb_is_told_values_and_status(offline, tmp_path):
    tracker = WeightsAndBiases(tmp_path)
    tracker.start("key", "name", {"a.b": 1})
    tracker.log(4, {"loss": 2.0})
    run = tracker._run
    assert (run.name, run.project, run.config["a.b"]) == ("name", "retrieval-bench", 1)
    tracker.finish({"r@1": 0.5})
    offline.teardown()  # its service may still be writing
    (file,) = tmp_path.glob("wandb/offline-run-*-key/run-key.wandb")
    content = file.read_bytes()
    for part in (b"loss", b"r@1", b"finished", b"a.b"):
        assert part in content
