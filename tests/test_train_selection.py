"""bench.train.selection: the best weights are kept, the earlier of equals, across a stop too."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.train.selection import Selection
from registry.errors import UsageError

VALUES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=8)


def network_at(step):
    """A network that says which step it is of, in a parameter and in buffers."""
    network = nn.BatchNorm1d(2)
    network.register_buffer("hidden", torch.zeros(1), persistent=False)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            tensor.fill_(step)
    return network


def step_of(network):
    steps = {tensor.max().item() for tensor in (*network.parameters(), *network.buffers())}
    assert len(steps) == 1
    return steps.pop()


def resumed(selection, how):
    again = Selection(how, selection.every)
    tensors = {name: tensor.clone() for name, tensor in selection.tensors.items()}
    again.put_back(tensors, json.loads(json.dumps(selection.facts, allow_nan=False)))
    return again


@given(VALUES, st.sampled_from(["validation", "test"]), st.integers(0, 8))
def test_the_best_is_kept_and_of_equals_the_earlier(values, how, stop):
    selection = Selection(how, 10)
    for index, value in enumerate(values):
        if index == stop:
            selection = resumed(selection, how)
        step = 10 * (index + 1)
        best = selection.see(step, value, network_at(step))
        assert best == all(value > before for before in values[:index])
    network = network_at(99)
    selection.apply(network)
    curve = [[10 * (index + 1), value] for index, value in enumerate(values)]
    summary = json.loads(json.dumps(selection.summary))
    if not values:
        assert step_of(network) == 99
        assert summary == {"by": how, "step": None, "value": None, "last": None, "curve": []}
        return
    step = 10 * (values.index(max(values)) + 1)
    assert step_of(network) == step
    wanted = {"by": how, "step": step, "value": max(values), "last": values[-1], "curve": curve}
    assert summary == wanted


@given(VALUES)
def test_the_last_are_those_the_training_ends_with(values):
    selection = Selection("last", 10)
    for index, value in enumerate(values):
        assert not selection.see(index, value, network_at(index))
    assert selection.tensors == {}
    network = network_at(99)
    selection.apply(network)
    assert step_of(network) == 99
    summary = selection.summary
    assert summary["value"] == summary["last"] == (values[-1] if values else None)
    assert summary["step"] == (len(values) - 1 if values else None)
    assert resumed(selection, "last").summary == summary


def test_what_is_kept_is_a_copy():
    selection, network = Selection("test", 1), network_at(1)
    selection.see(1, 0.5, network)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            tensor.fill_(2)
    assert {tensor.max().item() for tensor in selection.tensors.values()} == {1}
    assert not any(tensor.requires_grad for tensor in selection.tensors.values())
    selection.apply(network)
    assert step_of(network) == 1
    assert network.weight.requires_grad


@pytest.mark.parametrize(
    ("every", "steps", "wanted"),
    [(3, 7, [3, 6, 7]), (3, 6, [3, 6]), (10, 4, [4]), (0, 4, []), (1, 3, [1, 2, 3])],
)
def test_it_is_due_at_intervals_and_at_the_end(every, steps, wanted):
    selection = Selection("last", every)
    assert [step for step in range(1, steps + 1) if selection.due(step, steps)] == wanted


@pytest.mark.parametrize("how", ["validation", "test"])
def test_nothing_to_select_from_is_a_wrong_request(how):
    with pytest.raises(UsageError, match=f"selection={how} with validate_every=0"):
        Selection(how, 0)
