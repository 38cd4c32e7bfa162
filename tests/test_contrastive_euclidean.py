"""registry.losses.contrastive_euclidean: cirtorch's formula, pair by pair."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.losses import contrastive_euclidean
from registry.losses.labelled import Labelled
from tests.loss_oracles import SPACE, check, labelled, pairs, sample, stored

MARGIN = 0.85
TUPLES = np.array([4, 4, 4, 4, 9, 9, 9, 9])


def pair_loss(one, other, positive):
    distance = np.sqrt(((one - other + 1e-6) ** 2).sum())
    return 0.5 * distance**2 if positive else 0.5 * max(0.0, MARGIN - distance) ** 2


def of_all(batch, memory):
    """All pairs of two images / N, over the batch and again over the memory."""
    total = 0.0
    for others in filter(None, [batch[:3], memory]):
        for i, j, _, same in pairs(batch, others):
            total += pair_loss(batch[0][i], others[0][j], same)
    return total / len(batch[0])


def of_tuples(batch, memory):
    """An anchor with its positive, then with each of its negatives; nothing is divided."""
    z, _, ids, tuples = batch
    total = 0.0
    for number in sorted(set(tuples.tolist())):
        anchor, *others = np.flatnonzero(tuples == number)
        for place, other in enumerate(others):
            if ids[anchor] != ids[other]:
                total += pair_loss(z[anchor], z[other], place == 0)
    if memory is not None:
        total += of_all(batch[:3], memory) - of_all(batch[:3], None)
    return total


def build():
    return contrastive_euclidean.build({"margin": MARGIN}, SPACE)


@given(st.integers(0, 10_000), st.booleans())
def test_all_pairs(seed, with_memory):
    batch, memory = sample(seed, dims=2), stored(seed + 1) if with_memory else None
    if memory:
        memory = sample(seed + 1, n=6, dims=2)[0], *memory[1:]
    value = build()(labelled(*batch), labelled(*memory) if memory else None)
    assert float(value) == pytest.approx(of_all(batch, memory), abs=1e-9)


@given(st.integers(0, 10_000), st.permutations(range(8)))
def test_tuples_go_by_their_order_alone(seed, order):
    z, y, ids = sample(seed, n=8, dims=2)
    batch = z, y, ids, TUPLES[list(order)]
    assert float(build()(labelled(*batch), None)) == pytest.approx(of_tuples(batch, None), abs=1e-9)


@pytest.mark.parametrize("memory", [None, stored(5)])
@pytest.mark.parametrize("in_tuples", [False, True])
def test_gradients_are_finite_differences(in_tuples, memory):
    z, y, ids = sample(3, n=8)
    z[2] = z[0] + 0.1  # within the margin
    batch = (z, y, ids, TUPLES) if in_tuples else (z, y, ids)
    check(build(), of_tuples if in_tuples else of_all, batch, memory)


def test_a_negative_that_is_the_anchors_own_image_is_no_pair():
    z, y, _ = sample(3, n=8, dims=2)
    batch = z, y, np.array([0, 1, 0, 3, 4, 5, 6, 7]), TUPLES
    value = build()(labelled(*batch), None)
    assert float(value) == pytest.approx(of_tuples(batch, None), abs=1e-9)


@pytest.mark.parametrize("tuples", [None, torch.zeros(3, dtype=torch.int64)])
def test_equal_descriptors_have_finite_gradients(tuples):
    z = torch.ones(3, 4).div(2).requires_grad_()
    loss = build()(Labelled(z, torch.tensor([0, 0, 1]), torch.arange(3), tuples), None)
    loss.backward()
    assert loss > 0.3
    assert z.grad.isfinite().all()


def test_small_distances_are_not_rounded_away():
    z = torch.tensor([[1.0, 0.0], [1.0, 1e-4]])
    loss = build()(Labelled(z, torch.tensor([0, 0]), torch.arange(2)), None)
    # eps counts once in each direction: (1e-6 +- 1e-4)^2 + 1e-12
    assert float(loss) == pytest.approx(0.5e-8, rel=1e-3)
