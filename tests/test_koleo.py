"""registry.losses.koleo: eq. 5, point by point, over the batch and over batch and memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.losses import koleo
from registry.losses.labelled import Labelled
from tests.loss_oracles import SPACE, check, joined, labelled, sample, stored

BUILDS = {"batch": koleo.build, "memory": koleo.build_with_memory}


def oracle(batch, memory):
    """Eq. 5 over the batch's images, neighbours among all given; an image is not its own."""
    others = joined(batch, memory)
    total = 0.0
    for z, image in zip(batch[0], batch[2], strict=True):
        distances = np.linalg.norm(others[0] - z, axis=1)
        total -= np.log(distances[others[2] != image].min() + 1e-8)
    return total / len(batch[0])


def weighted(weight, with_memory):
    return lambda batch, memory: weight * oracle(batch, memory if with_memory else None)


@given(st.integers(0, 10_000), st.floats(0, 2), st.sampled_from(sorted(BUILDS)), st.booleans())
def test_it_is_lambda_times_eq_5(seed, weight, kind, with_memory):
    batch, memory = sample(seed), stored(seed + 1) if with_memory else None
    loss = BUILDS[kind]({"lambda": weight}, SPACE)
    expected = weighted(weight, kind == "memory")(batch, memory)
    found = float(loss(labelled(*batch), labelled(*memory) if memory else None))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("memory", [None, stored(5, n=20)])
@pytest.mark.parametrize("kind", BUILDS)
def test_gradients_are_finite_differences(kind, memory):
    # not of unit length, nearest is another: the same by cosine and by distance on the sphere only
    check(BUILDS[kind]({"lambda": 0.7}, SPACE), weighted(0.7, kind == "memory"), sample(3), memory)


def test_an_earlier_copy_in_the_memory_is_no_neighbour():
    z, y, ids = sample(2)
    loss = koleo.build_with_memory({"lambda": 1}, SPACE)
    batch = labelled(z, y, ids)
    assert loss(batch, batch) == loss(batch, None)


@pytest.mark.parametrize("kind", BUILDS)
def test_an_image_that_is_twice_in_a_batch_is_no_neighbour_of_itself(kind):
    z, y, ids = sample(2)
    z[1], y[1], ids[1] = z[0], y[0], ids[0]
    found = float(BUILDS[kind]({"lambda": 1}, SPACE)(labelled(z, y, ids), None))
    assert found == pytest.approx(oracle((z, y, ids), None), abs=1e-6)
    assert found < 5  # not -log(1e-8), of a distance to itself


@pytest.mark.parametrize("kind", BUILDS)
def test_it_is_finite_for_equal_descriptors(kind):
    z = torch.ones(4, 3, requires_grad=True)
    loss = BUILDS[kind]({"lambda": 1}, SPACE)(Labelled(z, torch.arange(4), torch.arange(4)), None)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()
