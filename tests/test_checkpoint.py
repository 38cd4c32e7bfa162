"""bench.train.checkpoint: a training killed anywhere goes on to the same bits."""

import itertools
import os
import pickle
import resource
import signal
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.execution.artifacts import Artifacts, read_json
from bench.images import ImageSource
from bench.progress import Silent
from bench.stages.context import Context
from bench.stages.weights import checkpoint_of, train_weights
from bench.stop import Interrupted
from bench.train import loop
from bench.train.collapse import CollapseDetector
from bench.train.group import ALONE
from bench.train.images import TrainingImages, leave_one_out
from bench.train.memory import CrossBatchMemory
from bench.train.snapshot import Snapshot, read_snapshot, write_snapshot
from bench.train.state import tensors_of
from bench.train.validation import held_out
from registry.errors import WorkError
from tests import trainings
from tests.conftest import write_photos
from tests.trainings import CPU, checkpoint_in, evaluated, folder_images, learned, same

pytestmark = pytest.mark.usefixtures("heard")

ROOT = Path(__file__).resolve().parent.parent
STEPS = 9
"""Of a training; its memory of 15 is full, and forgets, from step 6 on."""


class Killed(BaseException):
    """Stands for a SIGKILL: no handler of ours may answer it."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return folder_images(write_photos(tmp_path_factory.mktemp("photos") / "photos"))


@pytest.fixture(autouse=True)
def _every_step(monkeypatch):
    """A checkpoint after each step."""
    monkeypatch.setattr("bench.train.checkpoint.SECONDS", 0)
    monkeypatch.setattr("bench.train.checkpoint.SHARE", 1)


def model_of(*about, **options):
    return trainings.model_of(
        *about, **({"steps": STEPS, "memory_start": 3, "drop_path": 0.3} | options)
    )


def network_of(model):
    network = trainings.network_of(model)
    network.register_buffer("calls", torch.zeros(()), persistent=False)  # in no state dict

    def count(*_):
        network.calls += 1

    network.register_forward_hook(count)
    return network


def trained(images, checkpoint, model=None, progress=None, **told):
    """Train from the start or from a checkpoint: all tensors, and what the training wrote down."""
    model = model or model_of()
    given = images if isinstance(images, TrainingImages) else learned(images, model)
    options = {"network": network_of(model), "progress": progress, **told}
    return trainings.trained(given, model, checkpoint, **options)


def killed(monkeypatch, images, checkpoint, step, model=None, **told):
    """Train until a step is half done."""
    learn, calls = loop.learn, itertools.count(step_of(checkpoint))

    def dies(*arguments):
        learn(*arguments)
        if next(calls) == step:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("bench.train.loop.learn", dies)
        with pytest.raises(Killed):
            trained(images, checkpoint, model, **told)


def step_of(checkpoint):
    snapshot = read_snapshot(checkpoint.file)
    return len(snapshot.facts["losses"]) if snapshot else 0


@pytest.mark.parametrize(
    "model",
    [
        model_of(),
        model_of("tiny_conv"),
        model_of(head_dims=7),
        model_of("tiny_conv", head_dims=5),
    ],
    ids=["vit", "conv", "vit-7", "conv-5"],
)
def test_killed_anywhere_it_goes_on_to_the_same_bits(images, tmp_path, monkeypatch, model):
    whole = trained(images, checkpoint_in(tmp_path / "whole"), model)
    assert len(whole[1]["losses"]) == STEPS
    folder = tmp_path / "killed"
    for step in (0, 1, 4, 6, 8):  # at its first, before and after the memory began and was full
        killed(monkeypatch, images, checkpoint_in(folder), step, model)
        assert step_of(checkpoint_in(folder)) == step
    same(trained(images, checkpoint_in(folder), model), whole)


class Logged:
    """A tracker that keeps what is told of each step, but for the time it took."""

    def __init__(self):
        self.steps = {}

    def log(self, step, values):
        self.steps[step] = {
            name: value for name, value in values.items() if name != "images_per_second"
        }


MINED = {
    "sampler": "tuples",
    "batch_images": 8,
    "negatives": 2,
    "pairs_per_epoch": 8,
    "pool_images": 12,
    "epoch_steps": 4,
}
PARTS = {
    "encoder": model_of(memory_momentum=0.9),
    "average": model_of("tiny_conv", ema=0.9),
    "objective": model_of(loss="proxy_anchor+koleo", loss_lr=10.0),
    "objective of each size": model_of(loss="proxy_anchor", loss_lr=10.0, nested=True),
    "precision": model_of(precision="fp16", memory_start=0, clip_norm=0.0, drop_path=0.0),
    "selection": model_of(selection="validation", validate_every=2),
    "selection of averages": model_of("tiny_conv", selection="validation", ema=0.5),
    "mined tuples": model_of(loss="contrastive_euclidean", **MINED),
    "hard classes": model_of(sampler="hard_class", epoch_steps=4),
    "epochs": model_of(sampler="random"),
    "sgd": model_of(optimiser="sgd", schedule="constant"),
    "frozen": model_of("tiny_conv", freeze_batch_norm=True, train_blocks=2, layer_decay=0.8),
    "layout": model_of("tiny_conv", channels_last=True),
    "layout of patches": model_of(channels_last=True),
}
"""Trainings with each part of a state that most have not."""


@pytest.mark.parametrize("part", PARTS)
def test_every_part_goes_on_where_it_was(images, tmp_path, monkeypatch, part):
    """Results, what is told of each step, and the last checkpoint are the undisturbed one's."""
    model = PARTS[part]
    if "proxy" in model.training.loss:
        pytest.importorskip("pytorch_metric_learning")
    given = learned(images, model)
    if "selection" in part:
        _, held = held_out(images.labels, 0.4)
        validation = leave_one_out(evaluated(images, model), held)
        given = learned(images, model, held_out=held, validation=validation)
        scripted(monkeypatch)
    detector = partial(CollapseDetector, window=14, every=2)
    monkeypatch.setattr("bench.train.begin.CollapseDetector", detector)
    scaler = partial(torch.amp.GradScaler, init_scale=2.0**15, growth_interval=2)
    monkeypatch.setattr("bench.train.precision.torch.amp.GradScaler", scaler)
    logged, again = Logged(), Logged()
    whole = trained(given, checkpoint_in(tmp_path / "whole"), model, tracker=logged)
    folder = tmp_path / "killed"
    for step in (2, 7):
        killed(monkeypatch, given, checkpoint_in(folder), step, model, tracker=again)
        assert step_of(checkpoint_in(folder)) == step
    same(trained(given, checkpoint_in(folder), model, tracker=again), whole)
    assert again.steps == logged.steps
    assert len(logged.steps) == STEPS
    one, other = (
        read_snapshot(checkpoint_in(tmp_path / name).file) for name in ("whole", "killed")
    )
    assert one.facts == other.facts
    assert [
        name for name in one.tensors if not torch.equal(one.tensors[name], other.tensors[name])
    ] == []


def scripted(monkeypatch):
    """Have the best look be the second one, which is before the last kill."""

    def scored(state, *about):
        return {2: 0.25, 4: 0.75}.get(len(state.losses), 0.5)

    monkeypatch.setattr("bench.train.looks.validate", scored)


def test_the_memory_lies_where_it_lay(images, tmp_path, monkeypatch):
    """A product's last bit may depend on that, though on no processor of ours it did."""
    laid = []

    def noted(self, batch):
        laid.append(self.content and [part.storage_offset() for part in self.content[:3]])
        add(self, batch)

    add = CrossBatchMemory.add
    monkeypatch.setattr(CrossBatchMemory, "add", noted)
    model = model_of(head_dims=7)
    trained(images, checkpoint_in(tmp_path / "whole"), model)
    whole, laid = laid, []
    killed(monkeypatch, images, checkpoint_in(tmp_path), 7, model)
    laid.clear()
    trained(images, checkpoint_in(tmp_path), model)
    assert laid == whole[-2:]
    assert max(laid) > [0, 0, 0]


def test_steps_after_the_last_checkpoint_are_done_again(images, tmp_path, monkeypatch):
    whole = trained(images, checkpoint_in(tmp_path / "whole"))
    clock = itertools.count(step=10)
    monkeypatch.setattr("bench.train.checkpoint.SECONDS", 25)
    monkeypatch.setattr(
        "bench.train.checkpoint.time", SimpleNamespace(monotonic=lambda: next(clock))
    )
    killed(monkeypatch, images, checkpoint_in(tmp_path), 7)
    assert 0 < step_of(checkpoint_in(tmp_path)) < 7
    same(trained(images, checkpoint_in(tmp_path)), whole)


def test_batches_before_the_checkpoint_are_not_decoded_again(images, tmp_path, monkeypatch):
    killed(monkeypatch, images, checkpoint_in(tmp_path), 6)
    seen = set()
    augmented = ImageSource.augmented

    def noted(self, position, seed):
        seen.add(seed[1])
        return augmented(self, position, seed)

    monkeypatch.setattr(ImageSource, "augmented", noted)
    trained(images, checkpoint_in(tmp_path))
    assert seen == {6, 7, 8}


def test_progress_starts_where_the_training_does(images, tmp_path, monkeypatch):
    killed(monkeypatch, images, checkpoint_in(tmp_path), 6)
    said, steps, advanced = [], [], []

    def step(*about):
        steps.append(about)
        return nullcontext(lambda steps, said: advanced.append((steps, said)))

    progress = SimpleNamespace(step=step)
    trained(images, checkpoint_in(tmp_path, note=said.append), progress=progress)
    name = "training tiny_vit at 32 pixels, contrastive+koleo"
    assert said == [f"{name}: resumed at step 6 of 9"]
    assert steps == [(name, 9, "steps", 6)]
    assert [steps for steps, _ in advanced] == [1, 1, 1]
    assert all(said.startswith("loss ") for _, said in advanced)


def test_a_stop_leaves_a_checkpoint_of_its_very_step(images, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.train.checkpoint.SECONDS", 1e9)
    whole = trained(images, checkpoint_in(tmp_path / "whole"))
    rate = loop.rate_at
    for number, step in ((signal.SIGTERM, 2), (signal.SIGUSR1, 5), (signal.SIGINT, 8)):
        said, calls = [], itertools.count(step_of(checkpoint_in(tmp_path)))
        checkpoint = checkpoint_in(tmp_path, note=said.append)

        def signalled(at, recipe, number=number, step=step, calls=calls):
            if next(calls) == step:
                signal.raise_signal(number)
            return rate(at, recipe)

        with monkeypatch.context() as patched:
            patched.setattr("bench.train.loop.rate_at", signalled)
            with pytest.raises(Interrupted) as ended, checkpoint.stop.listening():
                trained(images, checkpoint)
        assert ended.value.exit_code == 128 + number
        assert said[-1] == f"stopped after {step + 1} steps, kept in {checkpoint.file}"
        assert step_of(checkpoint) == step + 1
    same(trained(images, checkpoint_in(tmp_path)), whole)  # of which nothing but the end is left


def test_a_second_ctrl_c_does_not_wait_and_keeps_the_last_one(images, tmp_path, monkeypatch):
    whole = trained(images, checkpoint_in(tmp_path / "whole"))
    checkpoint, learn, calls = checkpoint_in(tmp_path), loop.learn, itertools.count()

    def impatient(*arguments):
        learn(*arguments)
        if next(calls) == 5:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second one has to raise")

    with monkeypatch.context() as patched:
        patched.setattr("bench.train.loop.learn", impatient)
        with pytest.raises(KeyboardInterrupt), checkpoint.stop.listening():
            trained(images, checkpoint)
    assert step_of(checkpoint) == 5
    same(trained(images, checkpoint_in(tmp_path)), whole)


def test_images_left_out_stay_left_out(images, tmp_path, monkeypatch):
    root = write_photos(tmp_path / "photos")
    images = folder_images(root)
    broken = root / "class0" / "1.jpg"
    content = broken.read_bytes()
    broken.write_bytes(b"")
    whole = trained(images, checkpoint_in(tmp_path / "whole"), model_of(skip=True))
    assert whole[1]["skipped"] == ["class0/1.jpg"]
    killed(monkeypatch, images, checkpoint_in(tmp_path), 4, model_of(skip=True))
    broken.write_bytes(content)  # a disk that is back: this training has begun without it
    same(trained(images, checkpoint_in(tmp_path), model_of(skip=True)), whole)


def test_a_loss_that_is_no_number_keeps_the_checkpoint_before_it(images, tmp_path, monkeypatch):
    def breaks(state):
        learn(state)
        if len(state.losses) == 4:
            next(state.network.parameters()).data.fill_(float("nan"))

    learn = loop.learn
    monkeypatch.setattr("bench.train.loop.learn", breaks)
    checkpoint = checkpoint_in(tmp_path)
    message = r"the loss is nan at step 5 \(before: .*stays in .*training.safetensors"
    with pytest.raises(WorkError, match=message):
        trained(images, checkpoint)
    assert step_of(checkpoint) == 4
    assert all(torch.isfinite(tensor).all() for tensor in load_file(checkpoint.file).values())


def test_without_a_checkpoint_the_message_names_none(images, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.train.checkpoint.SECONDS", 1e9)
    monkeypatch.setattr("bench.train.step.functional.normalize", lambda v, dim: v * float("nan"))
    with pytest.raises(WorkError, match=r"the margin$"):
        trained(images, checkpoint_in(tmp_path))


def flipped(file):
    """Damage the middle of the tensors."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def flipped_facts(file):
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"losses\\": [', b'"losses\\": [1', 1))


def shortened(file):
    file.write_bytes(file.read_bytes()[:-5])


def emptied(file):
    file.write_bytes(b"")


def made_a_folder(file):
    file.unlink()
    file.mkdir()


def pickled(file):
    file.write_bytes(pickle.dumps(Killed))


def anothers(file):
    """A safetensors file of somebody else."""
    save_file({"weight": torch.ones(3)}, file)


def of_other_origin(**changes):
    def change(file):
        snapshot = read_snapshot(file)
        facts = {**snapshot.facts, "origin": {**snapshot.facts["origin"], **changes}}
        write_snapshot(Snapshot(snapshot.tensors, facts), file)

    return change


def of_another_network(file):
    snapshot = read_snapshot(file)
    tensors = {**snapshot.tensors, "network.head.weight": torch.ones(3, 64)}
    write_snapshot(Snapshot(tensors, snapshot.facts), file)


DAMAGES = {
    flipped: "its checksum differs",
    flipped_facts: "damaged",
    shortened: "damaged",
    emptied: "damaged",
    made_a_folder: "damaged",
    pickled: "damaged",
    anothers: "its checksum differs",
    of_other_origin(stage="other"): "stage was other and is key",
    of_other_origin(torch="1.0"): "torch was 1.0 and is",
    of_other_origin(numpy="1.0"): "numpy was 1.0 and is",
    of_other_origin(timm="1.0"): "timm was 1.0 and is",
    of_other_origin(format=0): "format was 0 and is",
    of_other_origin(device="cuda"): "device was cuda and is cpu",
    of_another_network: "it is of another network",
}


def test_what_nothing_can_go_on_from_is_told_and_ignored(images, tmp_path, monkeypatch):
    killed(monkeypatch, images, checkpoint_in(tmp_path / "good"), 4)
    content = checkpoint_in(tmp_path / "good").file.read_bytes()
    model = model_of()
    for number, (damage, reason) in enumerate(DAMAGES.items()):
        said = []
        checkpoint = checkpoint_in(tmp_path / str(number), note=said.append)
        checkpoint.file.parent.mkdir(parents=True)
        checkpoint.file.write_bytes(content)
        damage(checkpoint.file)
        network = network_of(model)
        before = {name: tensor.clone() for name, tensor in tensors_of(network)}
        assert checkpoint.read(network, CPU) is None
        assert not checkpoint.good
        assert len(said) == 1
        assert said[0].startswith(f"the training starts anew, not from {checkpoint.file}: ")
        assert reason in said[0]
        assert all(torch.equal(before[name], tensor) for name, tensor in tensors_of(network))


def test_a_training_with_a_damaged_checkpoint_is_as_without(images, tmp_path, monkeypatch):
    killed(monkeypatch, images, checkpoint_in(tmp_path), 4)
    flipped(checkpoint_in(tmp_path).file)
    whole = trained(images, checkpoint_in(tmp_path / "whole"))
    same(trained(images, checkpoint_in(tmp_path)), whole)


def test_a_full_disk_is_told_once_and_the_training_goes_on(images, tmp_path, monkeypatch):
    whole = trained(images, checkpoint_in(tmp_path / "whole"))
    said, limits = [], resource.getrlimit(resource.RLIMIT_FSIZE)
    checkpoint = checkpoint_in(tmp_path, note=said.append)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        found = trained(images, checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    same(found, whole)
    assert len(said) == 1
    assert said[0].startswith(f"cannot write {checkpoint.file} (")
    assert said[0].endswith("): the training goes on without it")
    assert list(checkpoint.folder.iterdir()) == []


def test_a_write_that_fails_leaves_the_one_before(images, tmp_path, monkeypatch):
    def fills(tensors, path, metadata):
        if next(calls) == 3:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save_file(tensors, path, metadata)

    calls = itertools.count()
    monkeypatch.setattr("bench.train.snapshot.save_file", fills)
    said = []
    checkpoint = checkpoint_in(tmp_path, note=said.append)
    killed(monkeypatch, images, checkpoint, 4)
    assert step_of(checkpoint) == 3
    assert [path.name for path in checkpoint.folder.iterdir()] == [checkpoint.file.name]
    assert "No space left on device" in said[0]


def test_it_is_written_at_intervals_and_takes_its_share_of_the_time(images, tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0, cost=0)
    written = []

    def write(snapshot, file):
        written.append(clock.now)
        clock.now += clock.cost

    monkeypatch.setattr("bench.train.checkpoint.write_snapshot", write)
    monkeypatch.setattr("bench.train.checkpoint.take_down", lambda state: Snapshot({}, {}))
    monkeypatch.setattr("bench.train.checkpoint.SECONDS", 60)
    monkeypatch.setattr("bench.train.checkpoint.SHARE", 0.02)
    time = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr("bench.train.checkpoint.time", time)
    state = SimpleNamespace(finite=lambda: True, device=CPU, group=ALONE)
    for clock.cost, between in ((1, 61), (3, 150)):
        written.clear()
        checkpoint = checkpoint_in(tmp_path)
        checkpoint.read(None, CPU)
        while len(written) < 3:
            clock.now += 1
            checkpoint.after_step(state)
        assert written[2] - written[1] == between


def test_it_is_gone_once_the_weights_are_there(tmp_path, monkeypatch):
    root = write_photos(tmp_path / "own")
    model = model_of(train=f"folder:{root}@split=classes", batch_images=4)
    cache = SimpleNamespace(store=lambda *about: None)
    artifacts = Artifacts(tmp_path / "runs")
    artifacts.prepare()
    context = Context(artifacts, tmp_path, CPU, Silent(), cache)
    file = checkpoint_of(model, context).file
    assert file.relative_to(tmp_path / "runs").parts[0] == "checkpoints"

    def publish(*arguments):
        assert file.is_file()
        return kept(*arguments)

    kept = context.artifacts.publish
    monkeypatch.setattr(context.artifacts, "publish", publish)
    train_weights(model, context)
    assert not file.parent.exists()


CHILD = """
import os, sys
from bench.cli import main
from bench.execution import command
from bench.train import checkpoint, loop
from tests.inline import ForkedPool
command.Pool = ForkedPool
told_to = os.fdopen(os.dup(2), "w")
checkpoint.SECONDS, checkpoint.SHARE = 0, 1
rate = loop.rate_at
def told(step, recipe):
    print("step", step, file=told_to, flush=True)
    return rate(step, recipe)
loop.rate_at = told
main(sys.argv[1:])
"""


def signalled(words, step, number):
    """Run the command line in a process of its own, and signal it when a step begins."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        said = []
        for line in process.stderr:
            said.append(line)
            if line == f"step {step}\n":
                process.send_signal(number)
    return process.returncode, "".join(said)


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_weights(bench, data, tmp_path):
    words = ["run", "dataset=twin-sop", "backbone=tiny_vit", "recipe=smoke"]
    runs = tmp_path / "killed"
    places = ["--runs", str(runs), "--data", str(data)]
    code, _ = signalled([*words, *places], 9, signal.SIGKILL)
    assert code == -signal.SIGKILL
    code, said = signalled([*words, *places], 23, signal.SIGTERM)  # the memory began at 20
    assert code == 143
    assert "resumed at step " in said
    assert "step 0\n" not in said
    assert "interrupted: 0 of 1 cells done; go on with" in said
    assert len(list((runs / "checkpoints").iterdir())) == 1
    code, said = signalled([*words, *places], -1, 0)
    assert code == 0, said
    assert "of 30\n" in said
    assert list((runs / "checkpoints").iterdir()) == []
    bench(*words)
    for name in ("weights.safetensors", "training.json"):
        one, other = (next(folder.rglob(name)) for folder in (runs, bench.runs))
        assert one.read_bytes() == other.read_bytes()
    one, other = (
        read_json(next((folder / "reports").glob("*.json"))) for folder in (runs, bench.runs)
    )
    assert one["metrics"] == other["metrics"]
