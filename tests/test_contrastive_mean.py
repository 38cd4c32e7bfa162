"""registry.losses.contrastive_mean: numpy's means, and pytorch-metric-learning itself."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.losses import contrastive_mean
from registry.losses.labelled import Labelled
from tests.loss_oracles import SPACE, check, labelled, pairs, sample, stored


def oracle(pos_margin, beta):
    """Mean over the non-zero losses of positives, plus that of negatives; then the memory's."""

    def value(batch, memory):
        total = 0.0
        for others in filter(None, [batch, memory]):
            losses = {True: [], False: []}
            for _, _, similarity, same in pairs(batch, others):
                losses[bool(same)].append(pos_margin - similarity if same else similarity - beta)
            for kind in losses.values():
                kept = [loss for loss in kind if loss > 0]
                total += np.mean(kept) if kept else 0.0
        return total

    return value


def build(pos_margin, beta):
    return contrastive_mean.build({"pos_margin": pos_margin, "beta": beta}, SPACE)


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(-0.5, 0.9), st.booleans())
def test_it_is_the_sum_of_both_means(seed, pos_margin, beta, with_memory):
    batch, memory = sample(seed), stored(seed + 1) if with_memory else None
    value = build(pos_margin, beta)(labelled(*batch), labelled(*memory) if memory else None)
    assert float(value) == pytest.approx(oracle(pos_margin, beta)(batch, memory), abs=1e-9)


@pytest.mark.parametrize("memory", [None, stored(5)])
@pytest.mark.parametrize("pos_margin", [0.4, 1.0])
def test_gradients_are_finite_differences(pos_margin, memory):
    check(build(pos_margin, 0.13), oracle(pos_margin, 0.13), sample(3), memory)


def test_no_pair_with_a_loss_costs_nothing():
    z = torch.eye(3).requires_grad_()
    loss = build(1, 0.5)(Labelled(z, torch.arange(3), torch.arange(3)), None)
    loss.backward()
    assert loss == 0
    assert not z.grad.any()


def test_the_library_agrees():
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    theirs = losses.ContrastiveLoss(
        pos_margin=0.9, neg_margin=0.2, distance=distances.CosineSimilarity()
    )
    z, y, ids = sample(8, n=24)
    memory = labelled(*sample(9, n=30)[:2], np.arange(100, 130))
    ours, other = (torch.tensor(z, requires_grad=True) for _ in range(2))
    labels = torch.tensor(y)
    unit = torch.nn.functional.normalize(ours, dim=1)  # as theirs does once more
    value = build(0.9, 0.2)(Labelled(unit, labels, torch.tensor(ids)), memory)
    expected = theirs(other, labels) + theirs(
        other, labels, ref_emb=memory.descriptors, ref_labels=memory.labels
    )
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, other.grad)
