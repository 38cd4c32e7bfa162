"""Labelled descriptors to try losses on, and what their values and gradients must be."""

import numpy as np
import torch

from registry.losses.labelled import Labelled
from registry.losses.space import Space

SPACE = Space(classes=3, dims=4)


def sample(seed, n=7, dims=4, classes=3):
    """Draw unit descriptors, classes, and images that are all different: numpy, float64."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, dims))
    return z / np.linalg.norm(z, axis=1, keepdims=True), rng.integers(0, classes, n), np.arange(n)


def stored(seed, n=6):
    """Draw a memory whose first two entries are earlier copies of images of a sample."""
    z, y, _ = sample(seed, n=n)
    return z, y, np.array([0, 3, *range(100, 98 + n)])


def labelled(z, y, ids, tuples=None):
    """Make torch's of numpy's."""
    return Labelled(*(None if part is None else torch.tensor(part) for part in (z, y, ids, tuples)))


def pairs(batch, others):
    """Yield every pair of two images: i, j, their similarity, whether their classes are equal."""
    for i in range(len(batch[0])):
        for j in range(len(others[0])):
            if batch[2][i] != others[2][j]:
                yield i, j, float(batch[0][i] @ others[0][j]), batch[1][i] == others[1][j]


def joined(batch, memory):
    """Put a batch and a memory into one."""
    if memory is None:
        return batch
    return tuple(np.concatenate(both) for both in zip(batch[:3], memory, strict=True))


def check(loss, oracle, batch, memory=None, atol=1e-9):
    """Compare a loss with an oracle of (batch, memory): its value, its gradient by differences."""
    z, *about = batch
    inputs = torch.tensor(z, requires_grad=True)
    kept = labelled(*memory) if memory else None
    value = loss(labelled(z, *about)._replace(descriptors=inputs), kept)
    value.backward()
    assert value.shape == ()
    np.testing.assert_allclose(value.item(), oracle(batch, memory), atol=atol)
    numeric = np.zeros_like(z)
    for index in np.ndindex(*z.shape):
        for sign in (1, -1):
            moved = z.copy()
            moved[index] += sign * 1e-6
            numeric[index] += sign * oracle((moved, *about), memory) / 2e-6
    np.testing.assert_allclose(inputs.grad.numpy(), numeric, atol=1e-6, rtol=1e-5)
