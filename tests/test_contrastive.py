"""registry.losses.contrastive and the walk under it: eq. 1, pair by pair, in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.losses import contrastive, pair_sum
from registry.losses.labelled import Labelled
from tests.loss_oracles import SPACE, check, labelled, pairs, sample, stored


def oracle(beta):
    """Eq. 1, over the batch and again over the memory."""

    def value(batch, memory):
        total = 0.0
        for others in filter(None, [batch, memory]):
            for _, _, similarity, same in pairs(batch, others):
                total += 1 - similarity if same else max(0.0, similarity - beta)
        return total / len(batch[0])

    return value


def build(beta):
    return contrastive.build({"beta": beta}, SPACE)


@given(st.integers(0, 10_000), st.floats(-1.2, 0.9), st.booleans(), st.integers(1, 60))
def test_contrastive_is_eq_1(seed, beta, with_memory, elements):
    batch, memory = sample(seed), stored(seed + 1) if with_memory else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_sum, "IN_CACHE", elements)
        value = build(beta)(labelled(*batch), labelled(*memory) if memory else None)
    assert float(value) == pytest.approx(oracle(beta)(batch, memory), abs=1e-9)


@pytest.mark.parametrize("few", [0, 1 / 3, 1])
@pytest.mark.parametrize("with_memory", [False, True])
@pytest.mark.parametrize("beta", [-0.4, 0.13, 0.7])
def test_gradients_are_finite_differences(beta, with_memory, few, monkeypatch):
    monkeypatch.setattr(pair_sum, "IN_CACHE", 21)
    monkeypatch.setattr(pair_sum, "FEW", few)
    # more classes than images: most others are related to no anchor
    batch = sample(3)[0], np.array([0, 0, 1, 2, 3, 3, 4]), np.arange(7)
    memory = stored(5, n=12) if with_memory else None
    if memory:
        memory = memory[0], np.array([0, 9, 3, *range(10, 19)]), memory[2]
    check(build(beta), oracle(beta), batch, memory)


def test_both_sides_have_their_gradient():
    both = [torch.tensor(sample(seed)[0], requires_grad=True) for seed in (1, 2)]
    y, other = sample(1)[1], torch.tensor([0, 1, 5, 6, 7, 8, 9])

    def total(left, right):
        anchors = Labelled(left, torch.tensor(y), torch.arange(7))
        return pair_sum.pair_sum(anchors, Labelled(right, other, torch.arange(3, 10)), beta=0.1)

    assert torch.autograd.gradcheck(total, both)
    assert torch.autograd.gradcheck(lambda left: total(left, left), both[:1])
    frozen = both[1].detach()
    (alone,) = torch.autograd.grad(total(both[0], frozen), both[0])
    together, _ = torch.autograd.grad(total(*both), both)
    assert torch.equal(alone, together)


def test_a_weight_before_it_scales_its_gradient():
    z, y, ids = sample(4)
    inputs = torch.tensor(z, requires_grad=True)
    batch = Labelled(inputs, torch.tensor(y), torch.tensor(ids))
    (once,) = torch.autograd.grad(build(0.1)(batch, None), inputs)
    (thrice,) = torch.autograd.grad(3 * build(0.1)(batch, None), inputs)
    torch.testing.assert_close(thrice, 3 * once)


def test_walking_in_blocks_changes_nothing_but_rounding(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(332, 16, generator=generator), dim=1)
    y = torch.randint(0, 40, (332,), generator=generator)
    ids = torch.randint(0, 300, (332,), generator=generator)
    memory = Labelled(z[32:], y[32:], ids[32:])
    found = []
    for elements in (1, 1000, 2**20):
        monkeypatch.setattr(pair_sum, "IN_CACHE", elements)
        inputs = z[:32].clone().requires_grad_()
        value = build(0.2)(Labelled(inputs, y[:32], ids[:32]), memory)
        value.backward()
        found.append((value.detach(), inputs.grad))
    for value, gradient in found[1:]:
        torch.testing.assert_close(value, found[0][0])
        torch.testing.assert_close(gradient, found[0][1])


def test_perfect_separation_costs_nothing():
    z = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    batch = Labelled(z, torch.tensor([0, 0, 1, 1]), torch.arange(4))
    assert build(0.5)(batch, None) == 0


def test_an_image_is_no_pair_with_its_copy_in_the_memory_even_of_another_class():
    one = Labelled(torch.tensor([[1.0, 0]]), torch.tensor([0]), torch.tensor([7]))
    for label in (0, 1):
        copy = Labelled(torch.tensor([[0.6, 0.8]]), torch.tensor([label]), torch.tensor([7]))
        assert build(0.5)(one, copy) == 0


def test_what_is_not_finite_is_seen():
    z = torch.full((2, 3), float("nan"))
    batch = Labelled(z, torch.tensor([0, 1]), torch.arange(2))
    assert build(0.5)(batch, None).isnan()
