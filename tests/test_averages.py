"""bench.train.averages: a moving average of weights, in the network's place."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.train.averages import Average


def network_of(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1))


def images(seed=0):
    return torch.randn(6, 3, 5, 5, generator=torch.Generator().manual_seed(seed))


def learn(network, steps=1):
    """Move parameters and statistics, as training does."""
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for step in range(steps):
        optimiser.zero_grad()
        network(images(step)).square().mean().backward()
        optimiser.step()
        yield


def held(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@given(decay=st.floats(0.0, 0.9999), seed=st.integers(0, 99))
def test_it_is_the_weighted_sum_of_all_that_was(decay, seed):
    network = nn.BatchNorm1d(3).double()
    average = Average(network, decay)
    draw = torch.Generator().manual_seed(seed)
    seen = [held(network)]
    for _ in range(4):
        for tensor in (network.weight.data, network.bias.data, network.running_var):
            tensor.normal_(generator=draw)
        average.update()
        seen.append(held(network))
    weights = [decay**4] + [(1 - decay) * decay ** (4 - step) for step in range(1, 5)]
    assert sum(weights) == pytest.approx(1)
    for name in ("weight", "bias", "running_mean", "running_var"):
        values = [weight * one[name].numpy() for weight, one in zip(weights, seen, strict=True)]
        found = average.tensors[name].numpy()
        np.testing.assert_allclose(found, sum(values), rtol=1e-9, atol=1e-12)


def test_it_starts_as_the_network_and_shares_nothing_with_it():
    network = network_of()
    before = held(network)
    average = Average(network, 0.9)
    list(learn(network))
    assert average.tensors.keys() == before.keys()
    for name, tensor in before.items():
        assert torch.equal(average.tensors[name], tensor)
    assert not any(tensor.requires_grad for tensor in average.tensors.values())


def test_counts_and_what_is_frozen_are_the_networks():
    network = network_of()
    network[0].requires_grad_(False)
    average = Average(network, 0.7)
    for _ in learn(network, 3):
        average.update()
    assert average.tensors["1.num_batches_tracked"] == 3
    assert torch.equal(average.tensors["0.weight"], network[0].weight)
    assert not torch.equal(average.tensors["3.weight"], network[3].weight)
    assert not torch.equal(average.tensors["1.running_mean"], network[1].running_mean)


def averaged(decay=0.8, steps=3):
    network = network_of()
    average = Average(network, decay)
    for _ in learn(network, steps):
        average.update()
    return network, average


def test_applied_the_network_computes_with_it():
    network, average = averaged()
    oracle = copy.deepcopy(network).eval()
    oracle.load_state_dict(average.tensors)
    before = held(network)
    network.eval()
    own = network(images())
    with average.applied():
        assert torch.equal(network(images()), oracle(images()))
        assert all(torch.equal(average.tensors[name], before[name]) for name in before)
    assert torch.equal(network(images()), own)
    assert not torch.equal(own, oracle(images()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in held(network).items())


def test_the_network_is_back_after_an_error():
    network, average = averaged()
    before, noted = held(network), dict(average.tensors)
    with pytest.raises(KeyError), average.encoding():
        raise KeyError
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in held(network).items())
    assert all(torch.equal(tensor, noted[name]) for name, tensor in average.tensors.items())


def test_training_goes_on_as_if_it_had_never_been_applied():
    found = []
    for use in (False, True):
        network = network_of()
        average = Average(network, 0.8)
        torch.manual_seed(5)
        for _ in learn(network, 4):
            average.update()
            if use:
                with average.encoding():
                    network(images(9))
        found.append((held(network), average.tensors, torch.get_rng_state()))
    (one, its, place), (other, others, same) = found
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(its[name], others[name]) for name in its)
    assert torch.equal(place, same)


def test_encoding_leaves_modes_statistics_and_random_numbers():
    network, average = averaged()
    network[1].eval()
    modes = [module.training for module in network.modules()]
    oracle = copy.deepcopy(network).eval()
    oracle.load_state_dict(average.tensors)
    before, place = held(network), torch.get_rng_state()
    with average.encoding():
        assert not any(module.training for module in network.modules())
        found = network(images())
    assert not found.requires_grad
    assert torch.equal(found, oracle(images()))
    assert [module.training for module in network.modules()] == modes
    assert modes == [True, True, False, True, True]
    assert torch.equal(torch.get_rng_state(), place)
    assert all(torch.equal(tensor, before[name]) for name, tensor in held(network).items())


def test_no_low_precision_copy_of_the_other_weights_is_used():
    network, average = averaged(decay=0.0, steps=1)
    list(learn(network, 3))
    network.eval()
    with average.applied(), torch.autocast("cpu", torch.bfloat16):
        expected = network(images())
    with torch.autocast("cpu", torch.bfloat16):
        own = network(images())
        with average.applied():
            assert torch.equal(network(images()), expected)
        assert torch.equal(network(images()), own)
    assert not torch.equal(own, expected)


def test_it_keeps_layouts():
    network = network_of().to(memory_format=torch.channels_last)
    average = Average(network, 0.5)
    for _ in learn(network):
        average.update()
    with average.applied():
        assert network[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_overwritten_it_goes_on_to_the_same_bits():
    network, average = averaged()
    other = Average(network, 0.8)
    for name, tensor in other.tensors.items():
        tensor.copy_(average.tensors[name])
    for _ in learn(network, 2):
        average.update()
        other.update()
        with other.encoding():
            network(images())
    for name, tensor in average.tensors.items():
        assert torch.equal(other.tensors[name], tensor)
