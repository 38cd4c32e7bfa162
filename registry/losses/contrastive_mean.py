"""Contrastive loss as pytorch-metric-learning reduces it: means over non-zero pair losses.

    L = mean_{positive pairs, loss > 0} max(0, p - z_i.z_j)
      + mean_{negative pairs, loss > 0} max(0, z_i.z_j - beta)

ContrastiveLoss with CosineSimilarity and its default AvgNonZeroReducer (pytorch-metric-learning
2.9). Each mean has a divisor of its own, which shrinks while the loss does: a weight beside it
(KoLeo's lambda) is not comparable with one beside eq. 1's sum over pairs / N.
With a cross-batch memory the same over (batch, memory) pairs is added, as for eq. 1; the library's
own CrossBatchMemory has the batch in the memory and takes one mean over both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from registry.losses.pairs import relations
from registry.losses.precision import in_float32
from registry.losses.space import Space

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.labelled import Labelled
    from registry.losses.loss import LossFunction


def build(parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Bind the margin p of positives, pos_margin, and that of negatives, beta."""
    margins = parameters["pos_margin"], parameters["beta"]

    def loss(batch: Labelled, memory: Labelled | None) -> Tensor:
        own = contrastive_mean(batch, batch, margins)
        return own if memory is None else own + contrastive_mean(batch, memory, margins)

    return in_float32(loss)


def contrastive_mean(anchors: Labelled, others: Labelled, margins: tuple[float, float]) -> Tensor:
    """Both means over anchors x others; 0 where no pair has a loss."""
    of_positives, of_negatives = margins
    similarities = anchors.descriptors @ others.descriptors.T
    positive, negative = relations(anchors, others)
    attraction = _mean_of_nonzero((of_positives - similarities) * positive)
    return attraction + _mean_of_nonzero((similarities - of_negatives) * negative)


def _mean_of_nonzero(losses: Tensor) -> Tensor:
    hinge = losses.clamp(min=0.0)
    return hinge.sum() / (hinge > 0).sum().clamp(min=1)
