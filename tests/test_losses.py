"""registry.losses: values and gradients against loops in float64 numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import UsageError
from registry.losses import LOSSES, format_loss, parse_loss
from registry.losses.koleo import koleo
from registry.losses.labelled import Labelled


def contrastive_oracle(z, y, ids, memory, beta):
    """Eq. 1, pair by pair."""
    total = 0.0
    for i in range(len(z)):
        for others in filter(None, [(z, y, ids), memory]):
            for j in range(len(others[0])):
                similarity = float(z[i] @ others[0][j])
                if ids[i] == others[2][j]:
                    continue
                if y[i] == others[1][j]:
                    total += 1 - similarity
                else:
                    total += max(0.0, similarity - beta)
    return total / len(z)


def koleo_oracle(z):
    """Eq. 5, point by point."""
    total = 0.0
    for i in range(len(z)):
        nearest = min(np.linalg.norm(z[i] - z[j]) for j in range(len(z)) if j != i)
        total -= np.log(nearest + 1e-8)
    return total / len(z)


def sample(seed, n=7, dims=4, classes=3):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, dims))
    return z / np.linalg.norm(z, axis=1, keepdims=True), rng.integers(0, classes, n), np.arange(n)


def labelled(z, y, ids):
    return Labelled(*(torch.from_numpy(part) for part in (z, y, ids)))


@given(st.integers(0, 10_000), st.floats(-0.5, 0.9), st.booleans())
def test_contrastive_is_eq_1(seed, beta, with_memory):
    batch, stored = sample(seed), sample(seed + 1, n=5)
    # the first two memory entries are earlier copies of images of this batch
    stored = (stored[0], stored[1], np.array([0, 3, 100, 101, 102]))
    memory = stored if with_memory else None
    loss = LOSSES["contrastive"].build({"beta": beta})
    value = loss(labelled(*batch), labelled(*memory) if memory else None)
    assert float(value) == pytest.approx(contrastive_oracle(*batch, memory, beta), abs=1e-9)


@given(st.integers(0, 10_000), st.floats(0, 2))
def test_irt_r_adds_lambda_times_eq_5(seed, weight):
    batch = sample(seed)
    loss = LOSSES["contrastive+koleo"].build({"beta": 0.5, "lambda": weight})
    expected = contrastive_oracle(*batch, None, 0.5) + weight * koleo_oracle(batch[0])
    assert float(loss(labelled(*batch), None)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["contrastive", "contrastive+koleo"])
def test_gradients_are_finite_differences(name):
    z, y, ids = sample(3)
    row = LOSSES[name]
    loss = row.build({"beta": 0.13, "lambda": 0.7})
    inputs = torch.from_numpy(z).requires_grad_()
    loss(Labelled(inputs, torch.from_numpy(y), torch.from_numpy(ids)), None).backward()
    numeric = np.zeros_like(z)
    for index in np.ndindex(*z.shape):
        for sign in (1, -1):
            moved = z.copy()
            moved[index] += sign * 1e-5
            value = contrastive_oracle(moved, y, ids, None, 0.13)
            if name == "contrastive+koleo":
                value += 0.7 * koleo_oracle(moved)
            numeric[index] += sign * value / 2e-5
    np.testing.assert_allclose(inputs.grad.numpy(), numeric, atol=2e-4)


def test_koleo_is_finite_for_equal_descriptors():
    z = torch.ones(4, 3, requires_grad=True)
    loss = koleo(z)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


def test_koleo_stays_float32_under_autocast():
    z = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = koleo(z)
    assert inside.dtype == torch.float32
    assert inside == koleo(z)


def test_perfect_separation_costs_nothing():
    z = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    batch = Labelled(z, torch.tensor([0, 0, 1, 1]), torch.arange(4))
    assert LOSSES["contrastive"].build({"beta": 0.5})(batch, None) == 0


@pytest.mark.parametrize(
    "text", ["none", "contrastive", "contrastive(beta=0.3)", "contrastive+koleo(lambda=0.1)"]
)
def test_one_text_form(text):
    assert format_loss(*parse_loss(text)) == text


def test_a_default_written_out_is_the_same_loss():
    assert format_loss(*parse_loss("contrastive(beta=0.5)")) == "contrastive"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contrastve", "did you mean 'contrastive'"),
        ("contrastive(betta=1)", "unknown parameter of loss contrastive 'betta'; did you mean"),
        ("contrastive(beta=x)", "beta must be a number, not 'x'"),
        ("contrastive(beta=nan)", "beta must be a number"),
        ("contrastive(beta=1", "not of the form"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(UsageError, match=message):
        parse_loss(text)
