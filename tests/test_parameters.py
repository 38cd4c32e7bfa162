"""bench.train.parameters: which parameters learn, how fast, with which weight decay."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from timm.layers.drop import DropPath
from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined]
from torch import nn

from bench.model import Embedder, create_backbone
from bench.train.parameters import groups, make_optimiser, prepare
from bench.train.schedule import set_rate
from registry.backbones import BACKBONES
from registry.errors import WorkError
from registry.recipes import RECIPES

PLAIN = replace(RECIPES["smoke"], lr=0.01, weight_decay=0.3)
"""Neutral in all that is meant here."""
CPU = torch.device("cpu")


NOTHING = nn.Module()
"""An objective that learns nothing itself."""


def embedder_of(backbone="tiny_vit", poolings=("avg",), *, head_dims=None, device="cpu"):
    row = BACKBONES[backbone]
    with torch.device(device):
        torch.manual_seed(0)
        network = create_backbone(row, 64 if device == "cpu" else row.input_size)
        embedder = Embedder(network, row, poolings)
        if head_dims:
            embedder.add_head(head_dims)
    return embedder


def images(n=4):
    draw = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, 64, 64), generator=draw, dtype=torch.uint8)


def settings(embedder, recipe, objective=NOTHING):
    """By name: the factor and the weight decay."""
    named = [*embedder.named_parameters(), *objective.named_parameters(prefix="loss")]
    names = {id(parameter): name for name, parameter in named}
    found = {}
    for group in groups(embedder, objective, recipe):
        assert group["lr"] == recipe.lr * group["factor"]
        for parameter in group["params"]:
            name = names[id(parameter)]
            assert name not in found
            found[name] = group["factor"], group["weight_decay"]
    return found


def batch_norm(module):
    return isinstance(module, nn.BatchNorm2d)


class Proxies(nn.Module):
    def __init__(self):
        super().__init__()
        self.proxies = nn.Parameter(torch.zeros(3, 5))
        self.scale = nn.Parameter(torch.zeros(()))


@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_conv"])
def test_a_plain_recipe_has_one_group_in_the_networks_order(backbone):
    embedder, objective = embedder_of(backbone, head_dims=7), Proxies()
    (group,) = groups(embedder, objective, PLAIN)
    expected = [*embedder.parameters(), *objective.parameters()]
    assert [id(one) for one in group.pop("params")] == [id(one) for one in expected]
    assert group == {"factor": 1.0, "lr": 0.01, "weight_decay": 0.3}


def test_a_plain_recipe_moves_as_adamw_moves_all_parameters():
    found = []
    for ours in (False, True):
        embedder = embedder_of(head_dims=7).train()
        optimiser = torch.optim.AdamW(embedder.parameters(), lr=0.01, weight_decay=0.3, fused=True)
        if ours:
            prepare(embedder, PLAIN)
            optimiser = make_optimiser(groups(embedder, NOTHING, PLAIN), PLAIN, CPU)
        for step in range(3):
            if ours:
                set_rate(optimiser, 0.01 / (step + 1))
            else:
                optimiser.param_groups[0]["lr"] = 0.01 / (step + 1)
            optimiser.zero_grad()
            embedder(images())["avg"].square().sum().backward()
            optimiser.step()
        found.append(embedder.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize(
    "backbone",
    ["deit_ti_distilled", "dinov2_s14", "swin_t", "convnext_t", "resnet18", "mobilenetv2"],
)
def test_the_rate_decays_by_timms_layers(backbone):
    embedder = embedder_of(backbone, ("gem_learned",), head_dims=7, device="meta")
    found = settings(embedder, replace(PLAIN, layer_decay=0.8))
    names = {id(parameter): name for name, parameter in embedder.named_parameters()}
    expected = {
        names[id(parameter)]: group["lr_scale"]
        for group in param_groups_layer_decay(embedder.backbone, layer_decay=0.8)
        for parameter in group["params"]
    }
    assert len(set(expected.values())) > 5
    expected |= {"learned_pools.gem_learned.p": 1.0, "head.weight": 1.0}
    assert {name: factor for name, (factor, _) in found.items()} == pytest.approx(expected)


def test_the_first_layer_of_a_vit_learns_least():
    found = settings(embedder_of(), replace(PLAIN, layer_decay=0.5))
    for name, layer in [("patch_embed.proj.weight", 0), ("pos_embed", 0), ("norm.weight", 6)]:
        assert found[f"backbone.{name}"][0] == 0.5 ** (6 - layer)
    for block in range(6):
        assert found[f"backbone.blocks.{block}.mlp.fc1.bias"][0] == 0.5 ** (5 - block)


def test_parts_have_their_rates_and_poolings_no_weight_decay():
    embedder = embedder_of(poolings=("cls", "gem_learned"), head_dims=7)
    recipe = replace(PLAIN, pooling_lr=10.0, head_lr=3.0, loss_lr=100.0)
    found = settings(embedder, recipe, Proxies())
    assert found.pop("learned_pools.gem_learned.p") == (10.0, 0.0)
    assert found.pop("head.weight") == (3.0, 0.3)
    assert found.pop("loss.proxies") == (100.0, 0.3)
    assert found.pop("loss.scale") == (100.0, 0.3)
    assert all(name.startswith("backbone.") for name in found)
    assert set(found.values()) == {(1.0, 0.3)}


@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_conv", "mobilenetv2", "dinov2_s14"])
def test_biases_and_norms_can_be_left_out_of_weight_decay(backbone):
    embedder = embedder_of(backbone, head_dims=7, device="meta")
    found = settings(embedder, replace(PLAIN, decay_biases=False), Proxies())
    free = {f"{path}.bias" for path, _ in embedder.named_modules()} | {"loss.scale"}
    for path, module in embedder.named_modules():
        if isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            free.add(f"{path}.weight")
        if type(module).__name__ == "LayerScale":
            free.add(f"{path}.gamma")
    for name, (factor, weight_decay) in found.items():
        assert factor == 1.0
        assert weight_decay == (0.0 if name in free else 0.3), name
    assert 0 < len(free & found.keys()) < len(found)


def slow(kind, gradients, rate, weight_decay):
    """Loshchilov and Hutter 2019; Kingma and Ba 2015; momentum as torch has it."""
    value, first, second = 1.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        decayed = gradient + (0.0 if kind == "adamw" else weight_decay * value)
        if kind == "sgd":
            first = decayed if step == 1 else 0.9 * first + decayed
            value -= rate * first
            continue
        first = 0.9 * first + 0.1 * decayed
        second = 0.999 * second + 0.001 * decayed**2
        value -= rate * weight_decay * value if kind == "adamw" else 0.0
        scaled = math.sqrt(second / (1 - 0.999**step)) + 1e-8
        value -= rate * (first / (1 - 0.9**step)) / scaled
    return value


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_each_optimiser_is_its_definition(kind):
    recipe = replace(PLAIN, optimiser=kind, lr=0.02)
    one, other = (nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2))
    grouped = [
        {"params": [one], "factor": 1.0, "lr": 0.02, "weight_decay": 0.3},
        {"params": [other], "factor": 10.0, "lr": 0.2, "weight_decay": 0.0},
    ]
    optimiser = make_optimiser(grouped, recipe, CPU)
    assert all(group["fused"] for group in optimiser.param_groups)
    gradients = [0.5, -2.0, 1.0, 0.1]
    for gradient in gradients:
        set_rate(optimiser, recipe.lr)
        one.grad, other.grad = (torch.full((1,), gradient, dtype=torch.float64) for _ in "ab")
        optimiser.step()
    np.testing.assert_allclose(one.item(), slow(kind, gradients, 0.02, 0.3), rtol=1e-9)
    np.testing.assert_allclose(other.item(), slow(kind, gradients, 0.2, 0.0), rtol=1e-9)


@pytest.mark.parametrize(
    ("backbone", "blocks", "learning"),
    [
        ("deit_ti", 2, ("blocks.10.", "blocks.11.", "norm.")),
        ("deit_ti_distilled", 1, ("blocks.11.", "norm.")),
        ("swin_t", 1, ("layers.3.", "norm.")),
        ("convnext_t", 2, ("stages.2.", "stages.3.", "head.norm.")),
        ("resnet50", 1, ("layer4.",)),
        ("resnet50", 4, ("layer1.", "layer2.", "layer3.", "layer4.")),
        ("mobilenetv2", 2, ("blocks.5.", "blocks.6.", "conv_head.", "bn2.")),
        ("regnety_016", 3, ("s2.", "s3.", "s4.")),
        ("tiny_vit", -1, ("",)),
        ("convnext_t", 0, ()),
    ],
)
def test_the_last_blocks_learn_and_what_follows_them(backbone, blocks, learning):
    embedder = embedder_of(backbone, head_dims=7, device="meta")
    recipe = replace(PLAIN, train_blocks=blocks)
    prepare(embedder, recipe)
    names = [name for name, _ in embedder.backbone.named_parameters()]
    expected = {f"backbone.{name}" for name in names if name.startswith(learning)}
    assert settings(embedder, recipe).keys() == {*expected, "head.weight"}
    for prefix in learning:
        assert any(name.startswith(prefix) for name in names)


def test_layers_that_learn_have_the_same_rate_whatever_is_frozen():
    recipe = replace(PLAIN, layer_decay=0.5)
    every = settings(embedder_of(), recipe)
    embedder = embedder_of()
    prepare(embedder, replace(recipe, train_blocks=2))
    found = settings(embedder, recipe)
    assert found == {name: every[name] for name in found}
    assert 0 < len(found) < len(every)


@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_conv"])
def test_what_is_frozen_is_as_it_was_and_stays_in_eval_mode(backbone):
    embedder = embedder_of(backbone)
    recipe = replace(PLAIN, train_blocks=1)
    prepare(embedder, recipe)
    before = {name: tensor.clone() for name, tensor in embedder.state_dict().items()}
    optimiser = make_optimiser(groups(embedder, NOTHING, recipe), recipe, CPU)
    embedder.eval()
    embedder.train()
    embedder(images())["avg"].square().sum().backward()
    optimiser.step()
    blocks = {"tiny_vit": ("blocks.5", "norm"), "tiny_conv": ("layer4",)}[backbone]
    free = tuple(f"backbone.{block}" for block in blocks)
    after = embedder.state_dict()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(moved) > 5
    assert all(name.startswith(free) for name in moved)
    for path, module in embedder.named_modules():
        if [*module.parameters()]:
            learns = any(parameter.requires_grad for parameter in module.parameters())
            assert module.training == learns, path


def test_frozen_blocks_drop_no_paths():
    embedder = embedder_of()
    for block in embedder.backbone.blocks:
        block.drop_path1 = DropPath(0.5)
    prepare(embedder, replace(PLAIN, train_blocks=2))
    embedder.train()
    modes = [block.drop_path1.training for block in embedder.backbone.blocks]
    assert modes == [False] * 4 + [True] * 2


def test_more_blocks_than_there_are_is_an_error():
    prepare(embedder_of(), replace(PLAIN, train_blocks=6))
    with pytest.raises(WorkError, match="train_blocks=7: tiny_vit has 6 blocks or stages; -1 "):
        prepare(embedder_of(), replace(PLAIN, train_blocks=7))


def test_to_train_nothing_is_an_error():
    recipe = replace(PLAIN, train_blocks=0)
    with pytest.raises(WorkError, match="so nothing is trained: let blocks learn, or give"):
        prepare(embedder_of(), recipe)
    embedder = embedder_of(poolings=("gem_learned",))
    prepare(embedder, recipe)
    assert settings(embedder, recipe).keys() == {"learned_pools.gem_learned.p"}


def test_a_network_whose_layers_timm_does_not_know_is_an_error():
    embedder = Embedder(nn.Linear(2, 2), BACKBONES["tiny_vit"], ["avg"])
    assert settings(embedder, PLAIN)
    for work in (
        lambda: groups(embedder, NOTHING, replace(PLAIN, layer_decay=0.9)),
        lambda: prepare(embedder, replace(PLAIN, train_blocks=1)),
    ):
        with pytest.raises(WorkError, match="timm does not say which layers Linear has"):
            work()


def test_batch_norms_keep_their_statistics_and_learn_their_scales():
    recipe = replace(PLAIN, freeze_batch_norm=True)
    embedder = embedder_of("tiny_conv")
    prepare(embedder, recipe)
    embedder.eval()
    embedder.train()
    assert embedder.training
    buffers = {name: tensor.clone() for name, tensor in embedder.named_buffers()}
    expected = embedder(images())["avg"][:1]
    torch.testing.assert_close(embedder(images()[:1])["avg"], expected, rtol=1e-4, atol=1e-5)
    expected.sum().backward()
    assert all(torch.equal(tensor, buffers[name]) for name, tensor in embedder.named_buffers())
    for name, parameter in embedder.named_parameters():
        assert parameter.grad is not None, name
    for path, module in embedder.named_modules():
        assert module.training != batch_norm(module), path


def test_a_copy_keeps_its_own_modes():
    embedder = embedder_of("tiny_conv")
    prepare(embedder, replace(PLAIN, freeze_batch_norm=True, train_blocks=1))
    other = copy.deepcopy(embedder)
    other.eval()
    assert embedder.backbone.layer4.training
    other.train()
    assert other.backbone.layer4.training
    assert not other.backbone.layer1.training
    assert not any(module.training for module in other.modules() if batch_norm(module))


def test_channels_come_last_in_memory_and_numbers_are_the_same():
    plain, embedder = embedder_of("tiny_conv").eval(), embedder_of("tiny_conv").eval()
    parameters = [id(parameter) for parameter in embedder.parameters()]
    prepare(embedder, replace(PLAIN, channels_last=True))
    assert [id(parameter) for parameter in embedder.parameters()] == parameters
    weight = embedder.backbone.layer1[0].conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    found, expected = (network(images())["avg"] for network in (embedder, plain))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
