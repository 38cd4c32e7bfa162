"""registry.poolings: every pooling against numpy."""

import numpy as np
import pytest
import torch

from registry.poolings import POOLINGS

RNG = np.random.default_rng(0)
PREFIX = RNG.normal(size=(3, 2, 5)).astype(np.float32)
POSITIONS = RNG.normal(size=(3, 7, 5)).astype(np.float32)
CLAMPED = np.maximum(POSITIONS.astype(np.float64), 1e-6)
ORACLES = {
    "cls": PREFIX[:, 0],
    "cls+dist": (PREFIX[:, 0] + PREFIX[:, 1]) / 2,
    "avg": POSITIONS.mean(axis=1),
    "max": POSITIONS.max(axis=1),
    "gem": (CLAMPED**3).mean(axis=1) ** (1 / 3),
    "gem_learned": (CLAMPED**3).mean(axis=1) ** (1 / 3),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_is_its_definition(name):
    pool = POOLINGS[name].build()
    pooled = pool(torch.from_numpy(PREFIX), torch.from_numpy(POSITIONS))
    np.testing.assert_allclose(pooled.detach().numpy(), ORACLES[name], rtol=1e-5, atol=1e-6)


def test_learned_gem_learns_its_exponent():
    pool = POOLINGS["gem_learned"].build()
    pool(torch.from_numpy(PREFIX), torch.from_numpy(POSITIONS)).sum().backward()
    (exponent,) = pool.parameters()
    assert exponent.grad is not None
    assert torch.isfinite(exponent.grad)
    assert exponent.grad != 0
