"""bench.train: batches, memory, schedule, and training that is the same twice."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.decode import BadImageError
from bench.identity import Model, Training
from bench.images import ImageSource
from bench.model import build_embedder
from bench.pixels import Cache
from bench.progress import Silent
from bench.stop import Stop
from bench.train.checkpoint import Checkpoint
from bench.train.feed import BatchSource
from bench.train.loop import rate_at, train
from bench.train.memory import CrossBatchMemory
from bench.train.samplers import ClassBalanced
from registry.datasets import TRAINING_SETS
from registry.datasets.folder import folder_dataset
from registry.errors import WorkError
from registry.losses.labelled import Labelled
from registry.recipes import RECIPES
from registry.transforms import AUGMENTATIONS, Target

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


def training(**changes):
    fields = {
        "train": "twins",
        "images": "",
        "pooling": "cls",
        "loss": "contrastive+koleo",
        "recipe": "smoke",
        "head_dims": None,
        "seed": 0,
        "skip_bad_images": False,
    }
    return Training(**{**fields, **changes})


def twins(data, store=None):
    row = TRAINING_SETS["twins"]
    images = row.read(row.prepare(data)).train
    return ImageSource(images, AUGMENTATIONS[SMOKE.transform], Target(64, "bicubic"), store=store)


def trained(data, **changes):
    model = Model("tiny_vit", "scratch", 64, 0, training(**changes))
    embedder = build_embedder(model, ["cls"])
    device = torch.device("cpu")
    checkpoint = Checkpoint(data / "checkpoint", "key", Stop(), print)
    checkpoint.remove()
    log = train(
        embedder, model, twins(data), device=device, progress=Silent(), checkpoint=checkpoint
    )
    return embedder.state_dict(), log


def test_training_is_the_same_twice_and_learns(data):
    (one, log), (two, _) = trained(data), trained(data)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert len(log["losses"]) == SMOKE.steps
    before_memory = log["losses"][: SMOKE.memory_start]
    assert np.mean(before_memory[-5:]) < np.mean(before_memory[:5])
    assert log["skipped"] == []


def drawn(source, *, steps=4, recipe=SMOKE, **changes):
    feed = BatchSource(source, training(**changes), recipe)
    return feed, list(feed.batches(steps))


def test_batches_are_augmented_by_seed_step_and_slot(data):
    source = twins(data)
    _, found = drawn(source, seed=5)
    assert len(found) == 4
    for step, (pixels, labels, positions) in enumerate(found):
        assert pixels.shape[1:] == (3, 64, 64)
        assert pixels.dtype == torch.uint8
        np.testing.assert_array_equal(labels, source.images.labels[positions])
        for slot, position in enumerate(positions.tolist()):
            expected = source.augmented(position, (5, step, slot))
            np.testing.assert_array_equal(pixels[slot].permute(1, 2, 0), expected)


def test_kept_images_make_the_same_batches(data, tmp_path):
    store = Cache(tmp_path / "cache", 10**9).store("key", len(twins(data).images), {})
    plain, first, second = (drawn(twins(data, kept))[1] for kept in (None, store, store))
    for batch, *others in zip(plain, first, second, strict=True):
        for other in others:
            assert all(torch.equal(one, same) for one, same in zip(batch, other, strict=True))
    assert list(store.folder.glob("*.bin"))


def test_bad_images_are_not_trained_on_and_are_named(photos):
    row = folder_dataset(f"folder:{photos}")
    images = row.read(photos).evaluated
    source = ImageSource(images, AUGMENTATIONS[SMOKE.transform], Target(32, "bicubic"))
    (photos / "class0" / "1.jpg").write_bytes(b"")
    (photos / "class3" / "2.jpg").unlink()
    recipe = replace(SMOKE, classes_per_batch=3)
    feed, found = drawn(source, steps=20, recipe=recipe, skip_bad_images=True)
    assert feed.bad_files() == ["class0/1.jpg", "class3/2.jpg"]
    reached = {int(position) for _, _, positions in found for position in positions}
    assert reached.isdisjoint(np.flatnonzero(np.isin(images.paths, feed.bad_files())))
    with pytest.raises(BadImageError):
        drawn(source, steps=20, recipe=recipe)


def test_another_seed_is_another_training(data):
    (one, _), (two, _) = trained(data), trained(data, seed=1)
    assert not all(torch.equal(one[name], two[name]) for name in one)


def test_a_head_is_trained(data):
    state, _ = trained(data, head_dims=7)
    assert state["head.weight"].shape == (7, 64)


def test_a_loss_that_is_no_number_says_where(data, monkeypatch):
    calls = itertools.count()

    def breaks(batch, memory):
        return batch.descriptors.sum() * (float("nan") if next(calls) == 3 else 1.0)

    row = type("Row", (), {"build": staticmethod(lambda parameters: breaks)})
    monkeypatch.setattr("bench.train.loop.parse_loss", lambda text: (row, {}))
    with pytest.raises(WorkError, match="the loss is nan at step 3 "):
        trained(data)
