"""bench.train.precision: half the bits in a network's products, float32 elsewhere."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from bench.train.precision import LEAST_SCALE, Precision, full
from registry.errors import WorkError
from registry.recipes import RECIPES

CPU = torch.device("cpu")
SCALE = 2.0**16
"""Where torch starts."""


def precision_of(name):
    return Precision(replace(RECIPES["smoke"], precision=name), CPU)


def network_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def inputs():
    return torch.randn(5, 8, generator=torch.Generator().manual_seed(1))


def sgd(network):
    return torch.optim.SGD(network.parameters(), lr=1.0, fused=True)


def stepped(precision, network, *, clip_norm=0.0, factor=1.0):
    """Do one step of plain descent; the loss is factor x the mean square."""
    optimiser = sgd(network)
    optimiser.zero_grad()
    with precision.autocast():
        found = network(inputs())
    loss = full(found).square().mean() * factor
    precision.scaled(loss).backward()
    return precision.learn(optimiser, network.parameters(), clip_norm)


def moved(network, other):
    pairs = zip(network.parameters(), other.parameters(), strict=True)
    return torch.cat([(one - two).detach().flatten() for one, two in pairs])


def test_float32_is_what_it_is_without():
    network, other = network_of(), network_of()
    assert stepped(precision_of("float32"), network, clip_norm=0.1)
    other(inputs()).square().mean().backward()
    torch.nn.utils.clip_grad_norm_(other.parameters(), 0.1)
    sgd(other).step()
    assert not moved(network, other).any()


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_products_have_half_the_bits_and_all_else_has_not(name, dtype):
    network, exact = network_of(), network_of()
    precision = precision_of(name)
    with precision.autocast():
        found = network(inputs())
    assert found.dtype == dtype
    assert full(found).dtype == torch.float32
    torch.testing.assert_close(full(found), exact(inputs()), rtol=0.02, atol=0.01)
    start = network_of()
    assert stepped(precision, network)
    stepped(precision_of("float32"), exact)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    step, expected = moved(network, start), moved(exact, start)
    assert 0 < (step - expected).norm() < 0.02 * expected.norm()


def test_more_than_float32_stays():
    assert full(torch.zeros(2, dtype=torch.float64)).dtype == torch.float64
    assert full(torch.zeros(2)).dtype == torch.float32


def test_a_pass_without_a_graph_takes_no_gradient_from_the_next():
    network = network_of()
    precision = precision_of("bf16")
    with precision.autocast():
        with torch.no_grad():
            network(inputs())
        full(network(inputs())).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_no_copy_of_an_earlier_weight_is_used():
    network, precision = network_of(), precision_of("bf16")
    with precision.autocast():
        network(inputs())
        network[2].weight.data = torch.zeros(4, 16)
        assert torch.equal(network(inputs()), network[2].bias.bfloat16().expand(5, 4))


def test_the_scale_keeps_gradients_that_fp16_has_no_numbers_for():
    tiny = 1e-6  # as a factor of the loss: gradients of 1e-8
    network, exact, start = network_of(), network_of(), network_of()
    assert stepped(precision_of("fp16"), network, factor=tiny)
    assert stepped(precision_of("float32"), exact, factor=tiny)
    expected = moved(exact, start)
    assert (moved(network, start) - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize("name", ["float32", "fp16"])
def test_the_gradient_is_clipped_as_it_is_without_a_scale(name):
    network, start = network_of(), network_of()
    assert stepped(precision_of(name), network, clip_norm=1e-3)
    assert moved(network, start).norm().item() == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_overflows_is_skipped_and_counted(optimiser, fused):
    network, start = network_of(), network_of()
    precision = precision_of("fp16")
    moves = optimiser(network.parameters(), lr=1.0, fused=fused)
    for gradient in (float("inf"), float("nan"), 1.0):
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        precision.scaled(torch.zeros(()))  # which is where torch makes the scale
        taken = precision.learn(moves, network.parameters(), 1.0)
        assert taken == (gradient == 1.0)
        assert bool(moved(network, start).any()) == taken
    assert precision.skipped == 2
    assert precision.scaler.get_scale() == SCALE / 4


def test_gradients_that_overflow_at_every_scale_are_an_error():
    network = network_of()
    precision = precision_of("fp16")
    for _ in range(26):
        assert not stepped(precision, network, factor=float("inf"))
    with pytest.raises(WorkError, match=r"down to 0\.000976562 \(27 steps skipped\)"):
        stepped(precision, network, factor=float("inf"))
    assert precision.scaler.get_scale() == LEAST_SCALE / 2


def test_it_goes_on_where_it_was():
    network, precision = network_of(), precision_of("fp16")
    stepped(precision, network, factor=float("inf"))
    stepped(precision, network)
    place = json.loads(json.dumps(precision.place))
    assert place["scaler"]["_growth_tracker"] == 1
    other, again = copy.deepcopy(network), precision_of("fp16")
    again.place = place
    assert again.place == precision.place
    for factor in (1.0, float("inf"), 1.0):
        taken = stepped(precision, network, factor=factor)
        assert stepped(again, other, factor=factor) == taken
    assert again.place == precision.place
    assert again.skipped == 2
    assert not moved(network, other).any()


@pytest.mark.parametrize("name", ["float32", "bf16"])
def test_without_a_scale_nothing_is_kept_or_skipped(name):
    precision = precision_of(name)
    place = json.loads(json.dumps(precision.place))
    assert place == {"scaler": {}, "skipped": 0}
    again = precision_of(name)
    again.place = place
    assert again.scaled(torch.tensor(3.0)) == 3.0


def test_a_gpu_without_bf16_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    recipe = replace(RECIPES["smoke"], precision="bf16")
    with pytest.raises(WorkError, match="Tesla T4 does not compute in it: use recipe"):
        Precision(recipe, torch.device("cuda"))
