"""Differential-entropy regulariser (KoLeo): eq. 5 of the paper.

    L = -(1/N) sum_i log rho_i,   rho_i = min_{j != i} ||z_i - z_j||

Kozachenko-Leonenko estimate after Sablayrolles et al. 2019, arXiv 1806.03198. The paper does not
say whether the minimum runs over the batch or over batch and memory; here it is the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from registry.losses.space import Space

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.loss import LossFunction

EPS = 1e-8
"""Added to every distance, so that two equal descriptors cost -log(1e-8) and not infinity."""


def build(parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Bind the weight lambda."""
    weight = parameters["lambda"]
    return lambda batch, memory: weight * koleo(batch.descriptors)


def koleo(descriptors: Tensor) -> Tensor:
    """Eq. 5 over (N, D) unit descriptors, N >= 2, in float32 even under autocast."""
    import torch

    with torch.autocast(device_type=descriptors.device.type, enabled=False):
        z = descriptors.float()
        with torch.no_grad():  # the nearest neighbour is a choice, not a path for gradients
            similarities = z @ z.T
            similarities.fill_diagonal_(-2.0)
            nearest = similarities.argmax(dim=1)
        distances = torch.linalg.vector_norm(z - z[nearest], dim=1)
        entropy: Tensor = -(distances + EPS).log().mean()
    return entropy
