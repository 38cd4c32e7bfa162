"""Contrastive loss with a cosine margin: eq. 1 of the paper.

    L = (1/N) sum_i [  sum_{j: y_j  = y_i} (1 - z_i.z_j)
                     + sum_{j: y_j != y_i} max(0, z_i.z_j - beta) ]

Sums over pairs, divided by the batch size N: unlike pytorch-metric-learning's ContrastiveLoss,
which averages the non-zero pair losses, so that a weight beside it (KoLeo's lambda) is not
comparable there.
With a cross-batch memory (Wang et al. 2020, arXiv 1912.06798) the same sum over (batch, memory)
pairs is added, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from registry.losses.precision import in_float32
from registry.losses.space import Space

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.labelled import Labelled
    from registry.losses.loss import LossFunction


def build(parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Bind the margin beta."""
    beta = parameters["beta"]
    return in_float32(lambda batch, memory: contrastive(batch, memory, beta=beta))


def contrastive(batch: Labelled, memory: Labelled | None, *, beta: float) -> Tensor:
    """Eq. 1 over the batch's own pairs, plus over its pairs with the memory if there is one."""
    from registry.losses.pair_sum import pair_sum

    loss = pair_sum(batch, batch, beta=beta)
    if memory is not None:
        loss = loss + pair_sum(batch, memory, beta=beta)
    return loss / len(batch.labels)
