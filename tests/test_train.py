"""bench.train: batches, memory, schedule, and training that is the same twice."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.decode import BadImageError
from bench.images import ImageSource
from bench.train import looks, loop
from bench.train.feed import BatchSource
from bench.train.images import leave_one_out
from bench.train.memory import CrossBatchMemory
from bench.train.objective import Objective, cut
from bench.train.samplers import ClassBalanced, make_sampler
from bench.train.schedule import rate_at
from bench.train.state import tensors_of
from bench.train.validation import held_out
from registry.datasets import TRAINING_SETS
from registry.errors import WorkError
from registry.losses.contrastive import contrastive
from registry.losses.labelled import Labelled
from registry.recipes import RECIPES
from tests.conftest import write_photos
from tests.trainings import (
    checkpoint_in,
    evaluated,
    folder_images,
    learned,
    model_of,
    network_of,
    recipe_of,
    same,
    trained,
)

SMOKE = RECIPES["smoke"]


def batches(labels, n, **options):
    usable = np.arange(len(labels))
    options = {"classes": 3, "images": 2, "seed": 0} | options
    return list(itertools.islice(ClassBalanced(labels, usable, **options), n))


def test_batches_hold_distinct_classes_and_images():
    labels = np.repeat(np.arange(5), 4)
    for batch in batches(labels, 50):
        assert len(set(batch)) == 6
        classes, counts = np.unique(labels[batch], return_counts=True)
        assert len(classes) == 3
        assert set(counts) == {2}


def test_batches_are_the_seeds_and_reach_every_image():
    labels = np.repeat(np.arange(5), 4)
    one, same, other = (np.stack(batches(labels, 50, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert set(one.ravel()) == set(range(20))


def test_classes_with_too_few_images_are_not_drawn():
    labels = np.array([0, 0, 1, 2, 2, 3, 3])
    assert 2 not in np.concatenate(batches(labels, 50))


def test_too_few_classes_are_an_error():
    with pytest.raises(WorkError, match="has 1 classes with that many images"):
        batches(np.array([0, 0, 1]), 1)


def entry(value):
    return Labelled(torch.full((2, 3), float(value)), torch.tensor([value] * 2), torch.arange(2))


def test_memory_forgets_the_oldest_and_keeps_no_graph():
    memory = CrossBatchMemory(5)
    for value in range(4):
        batch = entry(value)
        memory.add(batch._replace(descriptors=batch.descriptors.requires_grad_()))
    assert memory.content.labels.tolist() == [1, 2, 2, 3, 3]
    assert not memory.content.descriptors.requires_grad


def test_a_memory_of_no_size_stays_empty():
    memory = CrossBatchMemory(0)
    memory.add(entry(1))
    assert memory.content is None


def test_the_rate_warms_up_and_decays_to_nothing():
    rates = [rate_at(step, SMOKE) for step in range(SMOKE.steps)]
    peak = rates.index(max(rates))
    assert 0 < rates[0] < rates[1]
    assert abs(peak - SMOKE.warmup_steps) <= 2
    assert rates[-1] < 0.01


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return folder_images(write_photos(tmp_path_factory.mktemp("photos") / "photos"))


@pytest.fixture
def run(photographs, tmp_path):
    """Train a small model on photographs: all tensors, and what the training wrote down."""

    def do(model, **options):
        given = {name: options.pop(name) for name in ("held_out", "validation") if name in options}
        images = learned(photographs, model, **given)
        return trained(images, model, checkpoint_in(tmp_path), **options)

    return do


def test_training_is_the_same_twice_and_learns(data, tmp_path):
    row = TRAINING_SETS["twins"]
    images = row.read(row.prepare(data)).train
    fields = ("steps", "batch_images", "memory_share", "memory_start")
    model = model_of(**{name: getattr(SMOKE, name) for name in fields})
    runs = [trained(learned(images, model), model, checkpoint_in(tmp_path / name)) for name in "ab"]
    same(*runs)
    log = runs[0][1]
    assert len(log["losses"]) == SMOKE.steps
    before_memory = log["losses"][: SMOKE.memory_start]
    assert np.mean(before_memory[-5:]) < np.mean(before_memory[:5])
    assert log["skipped"] == []
    assert log["images"] == len(images)
    assert log["selected"]["by"] == "last"


def test_another_seed_is_another_training(run):
    (one, _), (two, _) = run(model_of()), run(model_of(seed=1))
    assert not all(torch.equal(one[name], two[name]) for name in one)


def test_a_head_is_trained(run):
    model = model_of(head_dims=7)
    state, _ = run(model)
    assert state["head.weight"].shape == (7, 64)
    assert not torch.equal(state["head.weight"], network_of(model).head.weight)


def test_a_loss_that_is_no_number_says_where(run, monkeypatch):
    calls = itertools.count()

    def breaks(objective, batch, memory):
        return {"it": batch.descriptors.sum() * (float("nan") if next(calls) == 3 else 1.0)}

    monkeypatch.setattr("bench.train.objective.Objective.forward", breaks)
    with pytest.raises(WorkError, match="the loss is nan at step 3 "):
        run(model_of())


def moved(average, network, decay):
    """Move a copy of a network towards it, by the definition."""
    with torch.no_grad():
        for kept, own in zip(average.parameters(), network.parameters(), strict=True):
            kept.copy_(decay * kept + (1 - decay) * own)


def by_hand(images, model):
    """The training as the papers put it: the network, its average, losses."""
    recipe, network = recipe_of(model), network_of(model).double().train()
    source = learned(images, model).source
    sampler = make_sampler(recipe, images.labels, np.arange(len(images)), model.training.seed)
    encoder, average = copy.deepcopy(network).eval(), copy.deepcopy(network)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    losses, queue, size = [], [], round(recipe.memory_share * len(images))
    feed = BatchSource(source, sampler, model.training.seed)
    for step, drawn in enumerate(feed.batches(recipe.steps)):
        optimiser.param_groups[0]["lr"] = recipe.lr * rate_at(step, recipe)
        descriptors = functional.normalize(network(drawn.pixels)["cls"], dim=1)
        kept = list(zip(descriptors.detach(), drawn.labels, drawn.images, strict=True))
        if step >= recipe.memory_start and recipe.memory_order == "before":
            queue = [*queue, *kept][-size:]
        memory = Labelled(*map(torch.stack, zip(*queue, strict=True))) if queue else None
        batch = Labelled(descriptors, drawn.labels, drawn.images)
        loss = contrastive(batch, memory, beta=0.5)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm or math.inf)
        optimiser.step()
        moved(encoder, network, recipe.memory_momentum)
        moved(average, network, recipe.ema)
        if step >= recipe.memory_start and recipe.memory_order == "after":
            if recipe.memory_momentum:
                with torch.no_grad():
                    rows = functional.normalize(encoder(drawn.pixels)["cls"], dim=1)
                kept = list(zip(rows, drawn.labels, drawn.images, strict=True))
            queue = [*queue, *kept][-size:]
        losses.append(loss.item())
    return network, average, losses


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"memory_order": "before"},
        {"memory_momentum": 0.6},
        {"ema": 0.7},
        {"sampler": "random", "schedule": "constant", "clip_norm": 0.0},
    ],
    ids=lambda fields: ",".join(map(str, fields.values())) or "after",
)
def test_a_training_is_the_hand_written_one(run, photographs, fields):
    model = model_of(loss="contrastive", **{"memory_start": 1, "clip_norm": 0.5} | fields)
    found, log = run(model, network=network_of(model).double())
    network, average, losses = by_hand(photographs, model)
    assert log["losses"] == pytest.approx(losses, rel=1e-9)
    kept = dict((average if "ema" in fields else network).named_parameters())
    for name, parameter in kept.items():
        torch.testing.assert_close(found[name], parameter.detach(), rtol=1e-6, atol=1e-9)


class Seen:
    """Keeps the weights after each step, and those of their average."""

    def __init__(self, monkeypatch):
        self.network, self.average = [], []
        learn = loop.learn

        def noted(state):
            learn(state)
            self.network.append(copies(dict(tensors_of(state.network))))
            if state.average:
                self.average.append(copies(state.average.tensors))

        monkeypatch.setattr("bench.train.loop.learn", noted)


def copies(tensors):
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@pytest.mark.parametrize("ema", [0.0, 0.7], ids=["network", "average"])
def test_the_weights_of_the_best_step_are_kept(run, photographs, monkeypatch, ema):
    model = model_of(steps=7, selection="validation", validate_every=2, ema=ema)
    values = iter([0.25, 0.75, 0.75, 0.5])
    monkeypatch.setattr("bench.train.looks.recall_at_1", lambda *a, **k: next(values))
    seen = Seen(monkeypatch)
    _, held = held_out(photographs.labels, 0.4)
    validation = leave_one_out(evaluated(photographs, model), held)
    found, log = run(model, held_out=held, validation=validation)
    wanted = (seen.average if ema else seen.network)[3]
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    assert log["selected"] == {
        "by": "validation",
        "step": 4,
        "value": 0.75,
        "last": 0.5,
        "curve": [[2, 0.25], [4, 0.75], [6, 0.75], [7, 0.5]],
    }


def test_held_out_images_are_never_drawn(run, photographs, monkeypatch):
    drawn, augmented = set(), ImageSource.augmented

    def noted(self, position, seed):
        drawn.add(position)
        return augmented(self, position, seed)

    monkeypatch.setattr(ImageSource, "augmented", noted)
    model = model_of(selection="validation", sampler="random", memory_share=1.0, steps=4)
    _, held = held_out(photographs.labels, 0.4)
    validation = leave_one_out(evaluated(photographs, model), held)
    _, log = run(model, held_out=held, validation=validation)
    assert drawn == set(range(len(photographs))) - set(held.tolist())
    assert log["images"] == len(drawn)


def test_what_cannot_be_read_is_no_part_of_a_look(run, photographs, monkeypatch):
    asked, plain = [], ImageSource.resized

    def damaged(self, position):
        if position in (1, 6):
            raise BadImageError("damaged")
        return plain(self, position)

    def noted(rows, labels, *, queries, gallery, device):
        asked.append((len(rows), len(queries), len(gallery)))
        return 0.5

    monkeypatch.setattr(ImageSource, "resized", damaged)
    monkeypatch.setattr("bench.train.looks.recall_at_1", noted)
    model = model_of(selection="validation", sampler="random", steps=2, skip=True)
    held = np.arange(4, 12)
    validation = leave_one_out(evaluated(photographs, model), held)
    _, log = run(model, held_out=held, validation=validation)
    assert set(asked) == {(7, 7, 7)}
    assert len(log["skipped"]) == 2


def test_the_last_weights_are_those_of_a_training_without_looks(run, photographs):
    """But for what is kept, a look at a checkpoint changes nothing."""
    model, other = (model_of(selection=how, drop_path=0.3) for how in ("test", "last"))
    validation = leave_one_out(evaluated(photographs, model), np.arange(len(photographs)))
    one, two = run(model, validation=validation)[1], run(other)[1]
    assert one["losses"] == two["losses"]
    assert [step for step, _ in one["selected"]["curve"]] == list(range(1, 7))


MINED = {
    "sampler": "tuples",
    "batch_images": 8,
    "negatives": 2,
    "pairs_per_epoch": 6,
    "pool_images": 15,
    "epoch_steps": 2,
}


def test_tuples_reach_the_loss(run, photographs, monkeypatch):
    given, forward = [], Objective.forward

    def noted(self, batch, memory):
        given.append(batch)
        return forward(self, batch, memory)

    monkeypatch.setattr(Objective, "forward", noted)
    model = model_of(loss="contrastive_euclidean", memory_share=0.0, **MINED)
    _, log = run(model)
    assert len(given) == 6
    for batch, told in zip(given, log["losses"], strict=True):
        assert batch.tuples.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
        labels = photographs.labels[batch.images.numpy()]
        np.testing.assert_array_equal(batch.labels, labels)
        anchors, positives, *negatives = labels.reshape(2, 4).T
        np.testing.assert_array_equal(anchors, positives)
        assert all((anchors != negative).all() for negative in negatives)
        anchor, positive, *others = batch.descriptors.detach().double().view(2, 4, -1).unbind(1)
        near = (anchor - positive).norm(dim=1).square().sum()
        far = [(0.85 - (anchor - other).norm(dim=1)).clamp(min=0).square() for other in others]
        assert told == pytest.approx(float(near + sum(far).sum()) / 2, rel=1e-3)


@pytest.mark.parametrize("sampler", ["tuples", "hard_class"])
def test_batches_are_mined_with_the_weights_of_their_epoch(run, monkeypatch, sampler):
    """And so they are not drawn ahead, as others are."""
    mined, modes = [], []

    def noted(state, *about):
        mined.append(len(state.losses))
        found = looks.embed_plain(state, *about)
        modes.append(state.network.training)
        return found

    monkeypatch.setattr("bench.train.begin.embed_plain", noted)
    run(model_of(**MINED | {"sampler": sampler}))
    assert mined == {"tuples": [0, 2, 4], "hard_class": [2, 4]}[sampler]
    assert all(modes)


def test_half_of_the_bits_train_too(run):
    (whole, exact), (half, log) = (run(model_of(precision=kind)) for kind in ("float32", "bf16"))
    assert log["losses"] != exact["losses"]
    assert log["losses"][0] == pytest.approx(exact["losses"][0], rel=0.02)
    assert {tensor.dtype for tensor in half.values()} == {tensor.dtype for tensor in whole.values()}


def test_nested_descriptors_are_trained(run, monkeypatch):
    given, forward = [], Objective.forward

    def noted(self, batch, memory):
        given.append(batch._replace(descriptors=batch.descriptors.detach()))
        return forward(self, batch, memory)

    monkeypatch.setattr(Objective, "forward", noted)
    _, log = run(model_of(loss="contrastive", nested=True))
    parts = [cut(given[0], dims) for dims in (64, 32, 16)]
    losses = [float(contrastive(part, None, beta=0.5)) for part in parts]
    assert log["losses"][0] == pytest.approx(np.mean(losses), rel=1e-5)
    assert len(set(losses)) == 3


def test_what_a_loss_learns_is_moved(run, monkeypatch):
    pytest.importorskip("pytorch_metric_learning")
    seen, learn = [], loop.learn

    def noted(state):
        before = [parameter.detach().clone() for parameter in state.objective.parameters()]
        learn(state)
        seen.append(zip(before, state.objective.parameters(), strict=True))

    monkeypatch.setattr("bench.train.loop.learn", noted)
    run(model_of(loss="proxy_anchor", loss_lr=10.0))
    assert len(seen) == 6
    pairs = [pair for step in seen[:1] for pair in step]
    assert [tuple(before.shape) for before, _ in pairs] == [(6, 64)]
    assert all(not torch.equal(before, after) for before, after in pairs)


def test_frozen_blocks_stay_and_others_learn(run):
    model = model_of(train_blocks=1)
    before = dict(network_of(model).named_parameters())
    found, _ = run(model)
    moved = {name for name in before if not torch.equal(before[name], found[name])}
    blocks = {name.split(".")[2] for name in moved if name.startswith("backbone.blocks.")}
    last = len(network_of(model).backbone.blocks) - 1
    assert blocks == {str(last)}
    assert not any("patch_embed" in name for name in moved)


@pytest.mark.parametrize("frozen", [False, True])
def test_batch_norms_keep_their_statistics_where_they_should(run, frozen):
    model = model_of("tiny_conv", freeze_batch_norm=frozen, selection="last", ema=0.0)
    before = dict(network_of(model).named_buffers())
    found, _ = run(model)
    statistics = [name for name in before if "running" in name]
    kept = [torch.equal(before[name], found[name]) for name in statistics]
    assert statistics
    assert all(kept) if frozen else not any(kept)
