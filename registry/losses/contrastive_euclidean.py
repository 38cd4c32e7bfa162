"""Contrastive loss on Euclidean distances, as cnnimageretrieval-pytorch has it for landmarks.

    l(i, j) = 1/2 y D^2 + 1/2 (1 - y) max(0, m - D)^2,   D = ||z_i - z_j + 1e-6||

Radenovic et al. 2018, arXiv 1711.02512; cirtorch/layers/functional.py: contrastive_loss. The
margin m is a distance: of unit descriptors m = 0.85 is a cosine of 1 - m^2 / 2 = 0.639, whereas
eq. 1 of the paper would read 0.85 as a cosine. The 1e-6 in every component is the code's.

In a batch of tuples the pairs are an anchor's with the others of its tuple, and their losses are
summed. Any other batch has all pairs of two images in both orders, divided by the batch size N, as
eq. 1 has; so have the pairs of the batch with a cross-batch memory.
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

EPS = 1e-6


def build(parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Bind the margin m."""
    margin = parameters["margin"]

    def loss(batch: Labelled, memory: Labelled | None) -> Tensor:
        if batch.tuples is None:
            own = all_pairs(batch, batch, margin=margin)
        else:
            own = within_tuples(batch, batch.tuples, margin=margin)
        return own if memory is None else own + all_pairs(batch, memory, margin=margin)

    return in_float32(loss)


def all_pairs(anchors: Labelled, others: Labelled, *, margin: float) -> Tensor:
    """Sum of l over anchors x others, by the number of anchors."""
    import torch

    # not through a matrix product: its rounding is as large as a small distance
    distances = torch.cdist(
        anchors.descriptors + EPS,
        others.descriptors,
        compute_mode="donot_use_mm_for_euclid_dist",
    )
    positive, negative = relations(anchors, others)
    attraction = (distances.square() * positive).sum()
    repulsion = ((margin - distances).clamp(min=0.0).square() * negative).sum()
    return 0.5 * (attraction + repulsion) / len(anchors.labels)


def within_tuples(batch: Labelled, tuples: Tensor, *, margin: float) -> Tensor:
    """Sum of l over an anchor's pairs in its tuple: a positive, then negatives, by their order."""
    import torch

    anchor_of, order = _places(tuples)
    pair = batch.images != batch.images[anchor_of]  # an anchor is none with itself either
    distances = torch.linalg.vector_norm(
        batch.descriptors[anchor_of] - batch.descriptors + EPS, dim=1
    )
    attraction = distances.square()[pair & (order == 1)].sum()
    repulsion = (margin - distances).clamp(min=0.0).square()[pair & (order > 1)].sum()
    loss: Tensor = 0.5 * (attraction + repulsion)
    return loss


def _places(tuples: Tensor) -> tuple[Tensor, Tensor]:
    """Find where each one's anchor is, and how many of its tuple come before it."""
    import torch

    together = (tuples[:, None] == tuples[None, :]).to(torch.int8)
    anchor_of: Tensor = together.argmax(dim=1)
    return anchor_of, together.tril(-1).sum(dim=1)
