"""bench.train.statistics: against a loop over pairs, and a decomposition of a covariance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from bench.train.statistics import gradient_nuclear_norm, pair_statistics
from registry.losses.contrastive import contrastive
from registry.losses.labelled import Labelled


def sample(seed, n):
    draw = torch.Generator().manual_seed(seed)
    rows = functional.normalize(torch.randn(n, 3, generator=draw), dim=1)
    labels = torch.randint(0, 3, (n,), generator=draw)
    images = torch.randint(0, 9, (n,), generator=draw)
    return Labelled(rows, labels, images)


def oracle(batch, beta):
    rows = batch.descriptors.double().numpy()
    near, far = [], []
    for i in range(len(rows)):
        for j in range(i):
            if batch.images[i] != batch.images[j]:
                same = batch.labels[i] == batch.labels[j]
                (near if same else far).append(float(rows[i] @ rows[j]))
    found = {"positive_similarity": np.mean(near)} if near else {}
    if far:
        found["negative_similarity"] = np.mean(far)
        if beta is not None:
            found["active_negatives"] = np.mean([value > beta for value in far])
    return found


@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([None, 0.1, 0.5]))
def test_they_are_those_of_the_pairs(seed, n, beta):
    batch = sample(seed, n)
    assert pair_statistics(batch, beta) == pytest.approx(oracle(batch, beta), rel=1e-5, abs=1e-6)


def test_they_leave_no_graph_and_are_float32_under_autocast():
    batch = sample(0, 40)
    learning = batch._replace(descriptors=batch.descriptors.clone().requires_grad_())
    with torch.autocast("cpu", torch.bfloat16):
        found = pair_statistics(learning, 0.5)
    assert found == pytest.approx(oracle(batch, 0.5), rel=1e-5, abs=1e-6)
    assert all(type(value) is float for value in found.values())
    assert torch.is_grad_enabled()


def slow_gradients(batch, beta):
    """Of eq. 1 by each descriptor: every pair is there twice, once from either side."""
    rows = batch.descriptors.double().numpy()
    found = np.zeros_like(rows)
    for i in range(len(rows)):
        for j in range(len(rows)):
            if batch.images[i] == batch.images[j]:
                continue
            if batch.labels[i] == batch.labels[j]:
                found[i] -= 2 * rows[j] / len(rows)
            elif rows[i] @ rows[j] > beta:
                found[i] += 2 * rows[j] / len(rows)
    return found


def doubles(batch):
    """The same descriptors, from which gradients are wanted."""
    return batch._replace(descriptors=batch.descriptors.double().requires_grad_())


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 9), st.sampled_from([0.1, 0.5]))
def test_the_nuclear_norm_is_the_sum_of_the_covariances_singular_values(seed, n, beta):
    batch = doubles(sample(seed, n))
    found = gradient_nuclear_norm(contrastive(batch, None, beta=beta), batch.descriptors)
    covariance = np.cov(slow_gradients(sample(seed, n), beta), rowvar=False)
    expected = np.linalg.svd(covariance, compute_uv=False).sum()
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert not found.requires_grad


def test_the_nuclear_norm_leaves_the_graph_and_no_gradient():
    gradients = []
    for look in (False, True):
        batch = doubles(sample(0, 9))
        term = contrastive(batch, doubles(sample(1, 5)), beta=0.1)
        if look:
            gradient_nuclear_norm(term, batch.descriptors)
            assert batch.descriptors.grad is None
        term.backward()
        gradients.append(batch.descriptors.grad)
    assert torch.equal(*gradients)


def test_the_gradient_of_a_single_image_has_no_spread():
    batch = doubles(sample(0, 1))
    term = contrastive(batch, doubles(sample(1, 5)), beta=-1.0)
    assert float(gradient_nuclear_norm(term, batch.descriptors)) == 0.0
