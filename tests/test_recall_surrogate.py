"""registry.losses.recall_surrogate: smooth ranks, query by query, in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.losses import recall_surrogate
from registry.losses.labelled import Labelled
from tests.loss_oracles import SPACE, check, joined, labelled, sample, stored


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def oracle(cuts, tau1, tau2):
    """1 - mean over queries with a positive of the mean over k of the smooth recall at k."""

    def value(batch, memory):
        others, losses = joined(batch, memory), []
        for z, label, image in zip(*batch, strict=True):
            kept = others[2] != image
            similarities, relevant = (others[0] @ z)[kept], (others[1] == label)[kept]
            places = np.flatnonzero(relevant)
            ranks = []
            for p in places:
                above = np.delete(similarities, p) - similarities[p]
                ranks.append(1 + sigmoid(above / tau2).sum())
            for k in cuts if len(places) else []:
                found = sum(sigmoid((k - rank) / tau1) for rank in ranks)
                losses.append(1 - min(k, found) / min(k, len(places)))
        return np.mean(losses) if losses else 0.0

    return value


def build(tau1=1.0, tau2=0.01, largest=16):
    parameters = {"tau1": tau1, "tau2": tau2, "largest_k": largest}
    return recall_surrogate.build(parameters, SPACE)


@given(
    st.integers(0, 10_000),
    st.floats(0.1, 3),
    st.floats(0.01, 1),
    st.booleans(),
    st.integers(1, 12),
    st.integers(1, 60),
)
def test_it_is_its_definition(seed, tau1, tau2, with_memory, classes, at_once):
    batch, memory = sample(seed, classes=classes), stored(seed + 1) if with_memory else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recall_surrogate, "AT_ONCE", at_once)
        value = build(tau1, tau2)(labelled(*batch), labelled(*memory) if memory else None)
    assert float(value) == pytest.approx(
        oracle([1, 2, 4, 8, 16], tau1, tau2)(batch, memory), abs=1e-9
    )


@pytest.mark.parametrize("at_once", [13, 2**24])
@pytest.mark.parametrize("memory", [None, stored(5)])
def test_gradients_are_finite_differences(memory, at_once, monkeypatch):
    monkeypatch.setattr(recall_surrogate, "AT_ONCE", at_once)
    check(build(1.0, 0.1, 4), oracle([1, 2, 4], 1.0, 0.1), sample(3), memory)


def test_at_temperatures_near_zero_it_is_recall():
    # the queries of class 0 find their positive first, of class 1 the other third, of class 2 never
    degrees = torch.tensor([0.0, 10, 100, 111, 121, 200])
    z = torch.stack([(degrees * np.pi / 180).cos(), (degrees * np.pi / 180).sin()], dim=1)
    batch = Labelled(z, torch.tensor([0, 0, 1, 2, 1, 3]), torch.arange(6))
    at_1, at_2 = (float(build(0.01, 1e-5, k)(batch, None)) for k in (1.5, 2))
    # a rank that is k itself counts half: 100's and 121's positives are second
    assert at_1 == pytest.approx(1 - (0.5 + 0.5) / 4, abs=1e-3)
    assert at_2 == pytest.approx(1 - ((0.5 + 1) / 2 * 2 + (0 + 0.5) / 2 * 2) / 4, abs=1e-3)


def test_no_positives_at_all_cost_nothing():
    z = torch.eye(3).requires_grad_()
    loss = build()(Labelled(z, torch.arange(3), torch.arange(3)), None)
    loss.backward()
    assert loss == 0
    assert not z.grad.any()


@pytest.mark.parametrize(("largest", "cuts"), [(1, [1]), (3, [1, 2]), (16, [1, 2, 4, 8, 16])])
def test_k_are_powers_of_two(largest, cuts):
    batch = sample(1, n=20)
    value = build(1, 0.1, largest)(labelled(*batch), None)
    assert float(value) == pytest.approx(oracle(cuts, 1, 0.1)(batch, None), abs=1e-9)
