"""bench.execution: workers that die, artifacts that rot, devices that are shared."""

import io
import json
import os
import pickle
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

import results
from bench.device import devices
from bench.execution import lease_files
from bench.execution.artifacts import Artifacts
from bench.execution.leases import CLEANING, Leases
from bench.execution.messages import Failed, Settings, Task
from bench.execution.pool import Pool, Worker, find_devices, start_worker
from bench.execution.ranks import RankFailedError
from bench.execution.work import name_of
from bench.execution.worker import Lossy, failure
from bench.identity import Extraction, Model, key_of
from bench.matrix import read_matrix
from bench.model import UnreachableWeightsError
from bench.plan import make_plan
from registry.errors import UsageError
from results.store import report_path
from tests.inline import ForkedPool, start

ROOT = Path(__file__).resolve().parent.parent
BARE = ["backbone=tiny_conv", "dataset=twin-sop", "weights=scratch", "loss=none", "resolution=32"]
WORDS = ["run", *BARE, "dims=8,16"]


def plan_of(words):
    return make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)


def killing(monkeypatch, kind, times, number=signal.SIGKILL):
    """Kill the worker that is given a task of a kind, so many times; return the tasks given."""
    given, give = [], Worker.give

    def given_and_killed(worker, task):
        given.append(task.name)
        doomed = task.name.startswith(kind) and given.count(task.name) <= times
        if doomed:
            os.kill(worker.process.pid, signal.SIGSTOP)  # it does not get that far
        give(worker, task)
        if doomed:
            os.kill(worker.process.pid, number)
            os.kill(worker.process.pid, signal.SIGCONT)

    monkeypatch.setattr(Worker, "give", given_and_killed)
    return given


@pytest.mark.parametrize("kind", ["extraction", "fit", "scores"])
def test_a_stage_whose_worker_is_killed_is_tried_again(bench, monkeypatch, kind):
    given = killing(monkeypatch, kind, 1)
    output = bench(*WORDS).output
    assert re.search(r"the worker was ended by SIGKILL while .*: it is tried again", output)
    assert "2 cells done" in output
    assert {count for name, count in Counter(given).items() if name.startswith(kind)} == {2}
    assert list((bench.runs / "leases").iterdir()) == []


def test_a_stage_that_kills_twice_fails_its_cells_alone(bench, monkeypatch):
    killing(monkeypatch, "extraction", 2)
    words = ["run", *BARE[:1], "dataset=twin-sop,twin-cub", *BARE[2:]]
    output = bench(*words, exit_code=1).output
    assert output.count("FAILED: the worker was ended by SIGKILL while extracting") == 2
    assert "twice; most often memory ran out" in output
    failure = json.loads(next((bench.runs / "failures").iterdir()).read_text())
    assert failure["error"] == "WorkerKilledError"
    assert failure["stage"].startswith("extraction-")
    assert failure["log"] == f"log/{failure['stage']}.log"
    monkeypatch.undo()
    assert "2 cells done" in bench(*words).output
    assert list((bench.runs / "failures").iterdir()) == []


@pytest.mark.parametrize("folder", ["features", "fits", "descriptors", "scores"])
def test_a_damaged_artifact_is_computed_again_and_said_so(bench, folder):
    bench(*WORDS)
    before = results.load(bench.runs).set_index("key")["r@1"]
    for report in (bench.runs / "reports").glob("*.json"):
        report.unlink()
    if folder != "scores":  # else nobody would read the others
        for path in (bench.runs / "artifacts" / "scores").iterdir():
            (path / "artifact.json").unlink()
    if folder == "fits":
        for path in (bench.runs / "artifacts" / "descriptors").iterdir():
            (path / "artifact.json").unlink()
    damaged = sorted((bench.runs / "artifacts" / folder).iterdir())[0]
    file = max(damaged.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    output = bench(*WORDS).output
    said = [line for line in output.splitlines() if "computed again" in line]
    assert said == [f"{file} has changed: its checksum is wrong; it is computed again"]
    assert results.load(bench.runs).set_index("key")["r@1"].equals(before)


def test_what_is_damaged_again_fails(bench, inline, monkeypatch):
    """A disk that rots as fast as it is written."""
    monkeypatch.setattr("bench.execution.artifacts.damage", lambda folder: "it rots")
    publish = "bench.execution.artifacts.Artifacts.publish"
    whole = Artifacts.publish

    def unsure(artifacts, *arguments):
        path = whole(artifacts, *arguments)
        artifacts.sound.clear()
        return path

    monkeypatch.setattr(publish, unsure)
    output = bench(*WORDS, exit_code=1).output
    assert "it rots, again" in output
    assert "0 cells done, 2 failed" in output


def test_two_workers_share_a_plan_and_the_cores(bench):
    words = ["run", "dims=8,16", "backbone=tiny_vit,tiny_conv", "dataset=twin-sop"]
    words += ["weights=scratch", "loss=none", "resolution=32"]
    bench(*words, "--device", "cpu, cpu")
    reports = [
        json.loads(report_path(bench.runs, cell.key).read_text())
        for cell in plan_of(words[1:]).cells
    ]
    stages = {s["key"]: s["computed"] for r in reports for s in r["stages"] if s["computed"]}
    pids = {computed["pid"] for computed in stages.values()}
    assert len(pids) == 2
    assert os.getpid() not in pids
    threads = max(1, torch.get_num_threads() // 2)
    assert {computed["threads"] for computed in stages.values()} == {threads}
    logs = [
        line for path in bench.runs.glob("log/*-*.log") for line in path.read_text().split("\n")
    ]
    made = Counter(tuple(line.split()[-2:]) for line in logs if " computed " in line)
    assert set(made.values()) == {1}
    assert {key for _, key in made} == set(stages)


def test_a_report_tells_the_chain_of_stages(bench):
    bench(*WORDS)
    (cell, *_) = plan_of(WORDS[1:]).cells
    report = json.loads(report_path(bench.runs, cell.key).read_text())
    kinds = [stage["kind"] for stage in report["stages"]]
    assert kinds == ["Model", "Features", "Fit", "Features", "Descriptors", "Scores"]
    assert report["stages"][0]["computed"] is None
    for stage in report["stages"][1:]:
        assert (bench.runs / stage["artifact"] / "artifact.json").is_file()
        computed = stage["computed"]
        assert computed["by"] == f"process {computed['pid']} on {computed['host']}"
        assert computed["wall_seconds"] >= 0
        assert computed["device_seconds"] >= 0
        assert computed["peak_bytes"] > 10**8
        assert computed["peak_device_bytes"] is computed["driver"] is None
        assert (computed["device"], computed["dtype"]) == ("cpu", "float32")
        assert computed["deterministic"] == {
            "algorithms": False,
            "cudnn_benchmark": False,
            "tf32": False,
        }
        assert computed["torch"] == version("torch")
        assert computed["git"] is None or re.fullmatch(r"[0-9a-f]{40}", computed["git"])
        log = (bench.runs / computed["log"]).read_text()
        assert f"process {computed['pid']}: " in log
        assert log.endswith("done\n")
    extraction = report["stages"][3]["computed"]
    assert "320 images in " in (bench.runs / extraction["log"]).read_text()


def test_a_failure_names_its_stage_and_log(bench, photos):
    (photos / "class0" / "1.jpg").write_bytes(b"")
    bench("run", *BARE[:1], f"dataset=folder:{photos}", *BARE[2:], exit_code=1)
    failed = json.loads(next((bench.runs / "failures").iterdir()).read_text())
    log = bench.runs / failed["log"]
    assert log.stem == failed["stage"]
    assert failed["stage"].startswith("extraction-")
    assert "Traceback" in log.read_text()
    assert failed["error"] == "BadImageError"


def test_weights_that_cannot_be_had_are_asked_for_once(bench, monkeypatch):
    """Of all three extractions, the first fails, and with it the network."""

    def unreachable(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr("bench.execution.command.Pool", ForkedPool)
    monkeypatch.setattr("bench.model.timm.create_model", unreachable)
    output = bench(
        "run",
        "backbone=deit_ti",
        "weights=pretrained",
        "loss=none",
        "dataset=twin-sop,twin-cub,twin-roxford",
        exit_code=1,
    ).output
    assert "0 cells done, 3 failed" in output
    assert len(list((bench.runs / "log").glob("extraction-*.log"))) == 1


def test_a_network_is_blamed_for_weights_that_cannot_be_had():
    model = Model("deit_ti", "pretrained", 224, None, None)
    stage = Extraction(model, "twin-sop", "", 224, "evaluated", "square", None, False)
    assert failure(UnreachableWeightsError("no"), stage, None).blamed.startswith("model-")
    other = failure(ValueError("no"), stage, "log/x.log")
    assert other.blamed.startswith("extraction-")
    assert (other.error, other.message, other.log) == ("ValueError", "ValueError: no", "log/x.log")


def test_how_far_a_step_is_can_be_read_from_its_lease(bench, inline, monkeypatch):
    """Of each step begun, at the next sign of life."""
    seen = []
    tell = Leases.tell

    def told_and_renewed(leases, name, progress):
        tell(leases, name, progress)
        leases.renew()
        seen.extend(lease.progress for _, lease in lease_files.all_in(leases.root))

    monkeypatch.setattr(Leases, "tell", told_and_renewed)
    bench(*WORDS)
    names = {progress["name"] for progress in seen}
    assert "extracting tiny_conv on SOP twin" in names
    assert "scoring SOP twin" in names
    assert all(0 <= progress["done"] <= progress["total"] for progress in seen)
    assert {"name", "done", "total", "unit", "per_second"} == set(seen[0])


@pytest.mark.parametrize(
    ("text", "there", "found"),
    [
        ("auto", 0, ["cpu"]),
        ("auto", 2, ["cuda:0", "cuda:1"]),
        ("cpu,cpu", 0, ["cpu", "cpu"]),
        ("cuda", 2, ["cuda:0"]),
        ("cuda:1, cpu", 2, ["cuda:1", "cpu"]),
        ("cpu+cpu", 0, ["cpu+cpu"]),
        ("cuda + cuda:1,cuda:1", 2, ["cuda:0+cuda:1", "cuda:1"]),
    ],
)
def test_devices_are_read(text, there, found, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: there > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: there)
    assert devices(text) == found


@pytest.mark.parametrize("text", ["cuda:2", "gpu", "", "cpu,", "cuda:x", "cpu+", "cuda:0+cuda:2"])
def test_devices_that_are_not_there_are_wrong_usage(text, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(UsageError, match=r"known: auto, cpu, cuda:0, cuda:1\)"):
        devices(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cuda:1+cuda:1", "cuda:1 cannot train together with itself"),
        ("cuda+cuda:0", "cuda:0 cannot train together with itself"),
        ("cpu,cpu+cuda:0", "join devices of one kind"),
    ],
)
def test_devices_that_cannot_train_together_are_wrong_usage(text, said, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(UsageError, match=said):
        devices(text)


def test_a_worker_with_several_devices_has_a_training_done_on_all(bench, inline, monkeypatch):
    launched = []

    def launch(model, settings, context):
        launched.append((model, settings.workers, context.devices, context.device))
        raise RankFailedError(Failed("WorkError", "of a rank", "its own traceback", name_of(model)))

    monkeypatch.setattr("bench.execution.worker.launch", launch)
    words = ["run", "backbone=tiny_vit", *BARE[1:3], "loss=contrastive", *BARE[4:], "recipe=smoke"]
    assert "FAILED: of a rank" in bench(*words, "--device", "cpu+cpu", exit_code=1).output
    ((model, workers, names, device),) = launched
    assert model.training is not None
    assert (workers, names, device) == (2, ["cpu", "cpu"], torch.device("cpu"))
    failure = json.loads(next((bench.runs / "failures").iterdir()).read_text())
    assert failure["traceback"] == "its own traceback"


def test_another_process_looks_for_devices():
    assert find_devices("cpu") == ["cpu"]
    with pytest.raises(UsageError, match="--device cuda:77: there is no such device here"):
        find_devices("cuda:77")


CHILD = """
import sys, time
from pathlib import Path
from bench.execution.artifacts import Artifacts
from bench.execution.leases import CLEANING, Leases
from bench.execution.messages import Settings
from bench.execution.pool import Pool, start_worker, warm_up
from bench.execution.local import run_plan
warm_up()
runs = Path(sys.argv[1])
settings = Settings(runs, runs, Path.cwd(), 0, False, 1)
process, connection = start_worker(settings, "cpu")
print(process.pid, flush=True)
time.sleep(600)
"""


def test_workers_end_with_their_parent(tmp_path):
    """Also where it is killed: its leases are free then, and another may be at work."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        pid = int(parent.stdout.readline())
        ended = os.pidfd_open(pid)
        parent.kill()
        heard = threading.Event()
        threading.Thread(target=lambda: (_readable(ended), heard.set())).start()
        assert heard.wait(60)


def _readable(descriptor):
    select.select([descriptor], [], [])


def test_a_worker_that_died_idle_is_replaced(tmp_path):
    settings = Settings(tmp_path, tmp_path, Path.cwd(), 0, force=False, workers=1)
    pool = Pool(settings, ["cpu"], start_worker)
    worker = pool.idle()
    assert pool.room == 1
    os.kill(worker.process.pid, signal.SIGKILL)
    ((same, died),) = list(pool.hear(60))
    assert same is worker
    assert died.exit_code == -signal.SIGKILL
    pool.retire(worker)
    assert pool.idle() is not worker
    pool.close()
    assert pool.workers == []


def test_tasks_and_answers_survive_the_pipe(bench):
    (cell, *_) = plan_of(WORDS[1:]).cells
    task = Task("scores-0", cell.scores, (), (cell,))
    assert pickle.loads(pickle.dumps(task)) == task
    assert isinstance(pickle.loads(pickle.dumps(Failed("E", "m", "t", "b"))), Failed)


def test_a_log_that_cannot_be_written_fails_no_stage(monkeypatch):
    def full(descriptor, content):
        raise OSError(28, "No space left on device")

    stream = io.TextIOWrapper(Lossy(), write_through=True)
    monkeypatch.setattr("bench.execution.worker.os.write", full)
    print("of no consequence", file=stream, flush=True)
    monkeypatch.undo()
    stream.detach()


def test_a_removed_run_folder_stays_removed(bench, inline, monkeypatch):
    """Found out at the next sign of life, not at the end of the stage."""
    from bench.execution.worker import compute

    begun, over = threading.Event(), threading.Event()

    def lasting(*arguments):
        begun.set()
        over.wait(60)
        compute(*arguments)

    def removed(pool, timeout):
        begun.wait(60)
        if bench.runs.is_dir():
            bench.runs.rename(bench.runs.with_name("away"))
        assert timeout <= 5
        return iter(())

    monkeypatch.setattr("bench.execution.worker.compute", lasting)
    monkeypatch.setattr(Pool, "hear", removed)
    monkeypatch.setattr(Worker, "end", lambda worker, at_once=False: over.set())
    output = bench(*WORDS, exit_code=1).output
    assert "was removed while this run was at work there" in output
    assert not bench.runs.exists()


def test_what_a_gpu_is_left_with_wears_a_worker_out(bench, monkeypatch):
    """Another worker takes over, and says why."""
    left = iter(["5 MB stayed allocated on cuda:0"])
    monkeypatch.setattr("bench.execution.worker._worn", lambda device: next(left, ""))
    started = []

    def counted(settings, device):
        started.append(device)
        return start(settings, device)

    monkeypatch.setattr("bench.execution.command.Pool", partial(Pool, start=counted))
    output = bench(*WORDS).output
    assert "5 MB stayed allocated on cuda:0: another worker takes over" in output
    assert started == ["cpu", "cpu"]
    assert "2 cells done" in output


def test_a_device_that_cannot_be_had_fails_its_cells(bench, monkeypatch):
    """It is there when it is looked for, and not when it is taken."""
    monkeypatch.setattr("bench.execution.command.find_devices", lambda text: ["cuda:9"])
    output = bench(*WORDS, exit_code=1).output
    assert "no worker on cuda:9: " in output
    assert "0 cells done, 2 failed" in output


def test_each_of_two_workers_on_one_device_has_its_own_step(bench):
    """A step of one is not lost where the other begins one."""
    words = ["run", "backbone=tiny_vit,tiny_conv", "dataset=twin-sop,twin-cub", "weights=scratch"]
    words += ["loss=none", "resolution=64"]
    output = bench(*words, "--device", "cpu,cpu").output
    for backbone in ("tiny_vit", "tiny_conv"):
        assert f"extracting {backbone} on SOP twin: 320 images in " in output
        assert f"extracting {backbone} on CUB twin: 240 images in " in output
    assert output.count(" queries in ") == 4


def test_another_device_does_what_one_that_cannot_be_had_was_to_do(bench, monkeypatch):
    monkeypatch.setattr("bench.execution.command.find_devices", lambda text: ["cuda:9", "cpu"])
    output = bench(*WORDS).output
    assert output.count("no worker on cuda:9: ") == 1
    assert "2 cells done" in output
    assert "FAILED" not in output


def test_two_damaged_artifacts_of_one_stage_are_both_mended(bench):
    words = ["run", *BARE, "pooling=avg,max", "dims=8,16"]
    bench(*words)
    before = results.load(bench.runs).set_index("key")["r@1"]
    for folder in ("reports", "artifacts/scores", "artifacts/descriptors", "artifacts/fits"):
        shutil.rmtree(bench.runs / folder)
    for damaged in (bench.runs / "artifacts" / "features").iterdir():
        (damaged / "vectors.npy").write_bytes(b"no array")
    output = bench(*words, "--device", "cpu,cpu").output
    assert output.count("computed again") == 4  # evaluated and for the fit, of each pooling
    assert "FAILED" not in output
    assert results.load(bench.runs).set_index("key")["r@1"].equals(before)


def test_a_worker_does_not_compute_under_a_key_that_has_changed(bench, inline, monkeypatch):
    """A file of weights that was replaced since the plan was made."""
    names = iter(["extraction-of-other-weights"])
    monkeypatch.setattr(
        "bench.execution.worker.name_of", lambda stage: next(names, None) or name_of(stage)
    )
    output = bench(*WORDS, exit_code=1).output
    assert "has changed since the run began" in output
    assert "0 cells done, 2 failed" in output


def test_force_keeps_the_checkpoint_of_its_own_training(bench, monkeypatch):
    """The worker that takes over a killed one's training goes on from it."""
    words = ["run", "backbone=tiny_conv", "recipe=smoke", "dataset=twin-sop"]
    (model, *_) = plan_of(words[1:]).cells[0].stages()
    kept = bench.runs / "checkpoints" / key_of(model) / "training.safetensors"
    there = []
    give = Worker.give

    def given(worker, task):
        there.append((task.name, kept.is_file()))
        if len(there) == 1:
            os.kill(worker.process.pid, signal.SIGKILL)
            kept.parent.mkdir()
            kept.write_bytes(b"what the killed one left")
        give(worker, task)

    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"of an earlier run")
    monkeypatch.setattr(Worker, "give", given)
    bench(*words, "--force")
    assert there[:2] == [(name_of(model), False), (name_of(model), True)]


def test_a_run_waits_until_the_folder_is_cleaned(bench, monkeypatch):
    bench.runs.mkdir()
    pauses = []
    with ExitStack() as cleaner:
        leases = cleaner.enter_context(Leases(bench.runs))
        cleaner.enter_context(leases.holding(CLEANING, "cleaning the run folder"))

        def pause(seconds):
            pauses.append(seconds)
            cleaner.close()

        monkeypatch.setattr("bench.execution.others.time.sleep", pause)
        output = bench(*WORDS).output
    assert pauses == [1.0]
    assert f"waiting for cleaning the run folder, by process {os.getpid()} on " in output
    assert "2 cells done" in output


def test_modules_in_the_working_folder_are_not_taken_for_ours(data, tmp_path):
    """As bench itself, which looks for none there."""
    for name in ("results", "registry", "bench"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')")
    command = [Path(sys.executable).with_name("bench"), *WORDS, "--quiet", "--data", data]
    if not command[0].is_file():
        pytest.skip("the command is not installed")
    done = subprocess.run(
        [str(word) for word in command],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "runs" / "reports").glob("*.json"))) == 2
