"""registry.losses.snca: softmax over neighbours, image by image, in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.losses import snca
from registry.losses.labelled import Labelled
from tests.loss_oracles import SPACE, check, joined, labelled, sample, stored


def oracle(temperature):
    """Mean over images with a positive of -log of its share of the neighbours' weights."""

    def value(batch, memory):
        others, losses = joined(batch, memory), []
        for z, label, image in zip(*batch, strict=True):
            weights = np.exp(others[0] @ z / temperature)
            kept = others[2] != image
            positive = kept & (others[1] == label)
            if positive.any():
                losses.append(-np.log(weights[positive].sum() / weights[kept].sum()))
        return np.mean(losses) if losses else 0.0

    return value


def build(temperature):
    return snca.build({"temperature": temperature}, SPACE)


@given(st.integers(0, 10_000), st.floats(0.05, 2), st.booleans(), st.integers(2, 30))
def test_it_is_its_definition(seed, temperature, with_memory, classes):
    batch, memory = sample(seed, classes=classes), stored(seed + 1) if with_memory else None
    value = build(temperature)(labelled(*batch), labelled(*memory) if memory else None)
    assert float(value) == pytest.approx(oracle(temperature)(batch, memory), abs=1e-9)


@pytest.mark.parametrize("memory", [None, stored(5)])
def test_gradients_are_finite_differences(memory):
    z, _, ids = sample(3)
    batch = z, np.array([0, 0, 1, 2, 2, 7, 8]), ids  # three images have no positive in the batch
    check(build(0.3), oracle(0.3), batch, memory)


def test_no_positives_at_all_cost_nothing():
    z = torch.eye(3).requires_grad_()
    loss = build(0.05)(Labelled(z, torch.arange(3), torch.arange(3)), None)
    loss.backward()
    assert loss == 0
    assert not z.grad.any()


def test_a_low_temperature_does_not_overflow():
    z, y, ids = sample(3)
    assert build(1e-4)(labelled(z.astype(np.float32), y, ids), None).isfinite()
