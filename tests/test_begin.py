"""bench.train.begin: a training before its first step has what its recipe says."""

import numpy as np
import pytest
import torch
from timm.models import group_parameters
from torch import nn

from bench.train.begin import begin
from bench.train.group import ALONE
from bench.train.images import nothing
from bench.train.schedule import set_rate
from bench.train.validation import centred
from tests.conftest import write_photos
from tests.trainings import CPU, folder_images, learned, model_of, network_of, recipe_of


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """21 images of 6 classes, of which the last has one."""
    return folder_images(write_photos(tmp_path_factory.mktemp("photos") / "photos"))


@pytest.fixture
def begun(photographs):
    def do(model, *, bad=(), held_out=None, pairs=None):
        return begin(
            network_of(model),
            model.training,
            recipe_of(model),
            learned(
                photographs,
                model,
                held_out=nothing() if held_out is None else held_out,
                pairs=pairs,
            ),
            np.array(bad, dtype=np.int64),
            device=CPU,
            group=ALONE,
            warn=pytest.fail,
        )

    return do


def test_a_plain_recipe_begins_without_averages_and_with_an_empty_memory(begun):
    state = begun(model_of())
    assert state.encoder is state.average is None
    assert state.memory.content is None
    assert state.losses == []
    assert state.network.training
    (group,) = state.optimiser.param_groups
    expected = list(state.network.parameters())
    assert [id(one) for one in group["params"]] == [id(one) for one in expected]


@pytest.mark.parametrize(("share", "size"), [(0.0, 0), (0.5, 10), (1.0, 21)])
def test_the_memory_is_a_share_of_the_training_images(begun, share, size):
    assert begun(model_of(memory_share=share)).memory.size == size


def test_the_memory_is_a_share_of_those_that_train(begun):
    assert begun(model_of(memory_share=0.5), held_out=np.arange(4, 12)).memory.size == 6


def test_neither_bad_nor_held_out_images_are_drawn(begun):
    state = begun(model_of(sampler="random"), bad=[0, 20], held_out=np.arange(4, 12))
    drawn = {int(place) for _ in range(4) for place in next(state.feed.sampler)}
    assert drawn == {1, 2, 3, *range(12, 20)}


def test_averages_begin_as_the_network(begun):
    state = begun(model_of(memory_momentum=0.9, ema=0.99))
    assert (state.encoder.decay, state.average.decay) == (0.9, 0.99)
    for average in (state.encoder, state.average):
        for name, parameter in state.network.named_parameters():
            assert torch.equal(average.tensors[name], parameter)
            assert average.tensors[name] is not parameter


def test_pairs_and_the_network_are_the_samplers(begun, photographs):
    mined = {
        "sampler": "tuples",
        "batch_images": 8,
        "negatives": 2,
        "pairs_per_epoch": 4,
        "pool_images": 21,
        "epoch_steps": 2,
    }
    pairs = np.array([[0, 1], [5, 4], [8, 11], [17, 16]])
    state = begun(model_of(**mined), pairs=pairs)
    drawn = np.concatenate([next(state.feed.sampler), next(state.feed.sampler)]).reshape(4, 4)
    assert sorted(drawn[:, :2].tolist()) == sorted(pairs.tolist())
    state.network.eval()
    rows = np.stack([centred(state.feed.source.resized(place), 32) for place in range(21)])
    pixels = torch.from_numpy(rows).permute(0, 3, 1, 2)
    with torch.no_grad():
        found = nn.functional.normalize(state.network(pixels)["cls"], dim=1).numpy()
    labels = photographs.labels
    for anchor, _, *negatives in drawn:
        others = {}
        for place in np.argsort(-(found @ found[anchor]), kind="stable"):
            if labels[place] != labels[anchor]:
                others.setdefault(labels[place], place)
        assert negatives == list(others.values())[:2]


def test_frozen_batch_norms_are_kept_in_eval(begun):
    state = begun(model_of("tiny_conv", freeze_batch_norm=True))
    state.network.train()
    norms = [module for module in state.network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert all(norm.weight.requires_grad for norm in norms)


def test_only_the_last_blocks_learn(begun):
    state = begun(model_of(train_blocks=2, head_dims=5))
    moved = {id(one) for group in state.optimiser.param_groups for one in group["params"]}
    names = {name for name, one in state.network.named_parameters() if id(one) in moved}
    count = len(state.network.backbone.blocks)
    blocks = {int(name.split(".")[2]) for name in names if name.startswith("backbone.blocks.")}
    assert blocks == {count - 2, count - 1}
    assert {"backbone.norm.weight", "head.weight"} < names
    assert "backbone.pos_embed" not in names


def test_rates_decay_by_layers_at_every_step(begun):
    state = begun(model_of(layer_decay=0.5, head_lr=3.0, head_dims=5))
    set_rate(state.optimiser, 0.1)
    rates = {
        id(one): group["lr"] for group in state.optimiser.param_groups for one in group["params"]
    }
    backbone = state.network.backbone
    layers = group_parameters(backbone, backbone.group_matcher(coarse=False), reverse=True)
    last = max(layers.values())
    for name, parameter in backbone.named_parameters():
        assert rates[id(parameter)] == pytest.approx(0.1 * 0.5 ** (last - layers[name]))
    assert rates[id(state.network.head.weight)] == pytest.approx(0.3)


def test_what_a_loss_learns_is_the_optimisers_too(begun):
    pytest.importorskip("pytorch_metric_learning")
    state = begun(model_of(loss="proxy_anchor+koleo", loss_lr=100.0, head_dims=7))
    (proxies,) = state.objective.parameters()
    assert proxies.shape == (6, 7)
    factors = {
        id(one): group["factor"]
        for group in state.optimiser.param_groups
        for one in group["params"]
    }
    assert factors[id(proxies)] == 100.0
    assert {factors[id(one)] for one in state.network.parameters()} == {1.0}


def test_a_class_that_is_held_out_has_no_proxy(begun):
    """Images 4-11 are the classes 1 and 2 of six: the others are numbered without them."""
    pytest.importorskip("pytorch_metric_learning")
    state = begun(model_of(loss="proxy_anchor", sampler="random"), held_out=np.arange(4, 12))
    (proxies,) = state.objective.parameters()
    assert len(proxies) == 4
    labels = state.feed.source.images.labels
    for drawn in state.feed.batches(4):
        known = np.array([0, 3, 4, 5])[drawn.labels.numpy()]
        assert known.tolist() == labels[drawn.images.numpy()].tolist()


def test_what_no_term_looks_at_is_not_remembered(begun):
    pytest.importorskip("pytorch_metric_learning")
    fields = {"memory_share": 1.0, "memory_momentum": 0.9}
    idle = begun(model_of(loss="proxy_anchor", **fields))
    assert (idle.memory.size, idle.encoder) == (0, None)
    used = begun(model_of(loss="proxy_anchor+koleo_memory", **fields))
    assert used.memory.size == 21
    assert used.encoder is not None


def test_a_loss_begins_the_same_for_a_seed(begun):
    pytest.importorskip("pytorch_metric_learning")
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(next(begun(model_of(loss="proxy_anchor")).objective.parameters()))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_selection_looks_a_tenth_of_the_time(begun):
    state = begun(model_of(selection="validation", steps=60), held_out=np.arange(4))
    assert (state.selection.how, state.selection.every) == ("validation", 6)
