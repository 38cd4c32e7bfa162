"""Differential-entropy regulariser (KoLeo): eq. 5 of the paper.

    L = -(1/N) sum_i log rho_i,   rho_i = min_{j != i} ||z_i - z_j||

Kozachenko-Leonenko estimate after Sablayrolles et al. 2019, arXiv 1806.03198. The paper does not
say whether the minimum runs over the batch or over batch and memory: koleo has the batch,
koleo_memory both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from registry.losses.pairs import joined
from registry.losses.precision import in_float32
from registry.losses.space import Space

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.labelled import Labelled
    from registry.losses.loss import LossFunction

EPS = 1e-8
"""Added to every distance, so that two equal descriptors cost -log(1e-8) and not infinity."""


def build(parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Bind the weight lambda; neighbours are those in the batch."""
    weight = parameters["lambda"]
    return in_float32(lambda batch, memory: weight * koleo(batch, None))


def build_with_memory(parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Bind the weight lambda; neighbours are those in the batch and in the memory."""
    weight = parameters["lambda"]
    return in_float32(lambda batch, memory: weight * koleo(batch, memory))


def koleo(batch: Labelled, memory: Labelled | None) -> Tensor:
    """Eq. 5 with the nearest of the batch and the memory, averaged over the batch, N >= 2.

    A copy of an image, in the memory or twice in a batch of tuples, is no neighbour of it.
    """
    import torch

    others = joined(batch, memory)
    with torch.no_grad():
        similarities = batch.descriptors @ others.descriptors.T
        similarities[batch.images[:, None] == others.images[None, :]] = -2.0
        nearest = similarities.argmax(dim=1)
    return _entropy_loss(batch.descriptors, others.descriptors[nearest])


def _entropy_loss(descriptors: Tensor, nearest: Tensor) -> Tensor:
    import torch

    distances = torch.linalg.vector_norm(descriptors - nearest, dim=1)
    loss: Tensor = -(distances + EPS).log().mean()
    return loss
