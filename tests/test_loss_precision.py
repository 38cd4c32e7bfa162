"""registry.losses.precision: every loss is computed in float32, whatever the network was."""

import pytest
import torch
from torch.nn import functional

from registry.losses import (
    contrastive,
    contrastive_euclidean,
    contrastive_mean,
    koleo,
    recall_surrogate,
    snca,
)
from registry.losses.labelled import Labelled
from tests.loss_oracles import SPACE

LOSSES = {
    "contrastive": contrastive.build({"beta": 0.2}, SPACE),
    "contrastive_mean": contrastive_mean.build({"pos_margin": 1, "beta": 0.2}, SPACE),
    "contrastive_euclidean": contrastive_euclidean.build({"margin": 0.85}, SPACE),
    "koleo": koleo.build({"lambda": 0.7}, SPACE),
    "koleo_memory": koleo.build_with_memory({"lambda": 0.7}, SPACE),
    "snca": snca.build({"temperature": 0.05}, SPACE),
    "recall_surrogate": recall_surrogate.build({"tau1": 1, "tau2": 0.01, "largest_k": 16}, SPACE),
}


def drawn(start, dtype=torch.float32):
    """Labelled descriptors of eight images."""
    generator = torch.Generator().manual_seed(start)
    z = functional.normalize(torch.randn(8, 16, generator=generator), dim=1)
    return Labelled(z.to(dtype), torch.arange(8) // 2, torch.arange(start, start + 8))


@pytest.mark.parametrize("name", LOSSES)
def test_autocast_does_not_reach_it(name):
    loss = LOSSES[name]
    plain = loss(drawn(0), drawn(4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(drawn(0), drawn(4))
    assert inside.dtype == torch.float32
    assert inside == plain


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_widened_and_gets_its_gradient(name):
    rounded = drawn(0, torch.bfloat16)
    z = rounded.descriptors.clone().requires_grad_()
    value = LOSSES[name](rounded._replace(descriptors=z), drawn(4))
    value.backward()
    wide = rounded._replace(descriptors=rounded.descriptors.float())
    assert value == LOSSES[name](wide, drawn(4))
    assert z.grad.dtype == torch.bfloat16
    assert z.grad.isfinite().all()
    assert z.grad.any()


def test_double_precision_stays():
    assert LOSSES["contrastive"](drawn(0, torch.float64), None).dtype == torch.float64
