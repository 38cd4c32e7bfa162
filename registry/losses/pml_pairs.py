"""Pairs and triplets as positions in a batch and in others, an image with itself left out.

pytorch-metric-learning leaves out the diagonal, or what it enqueued last; and its miners choose
before anything could be left out. Here identity decides first, and mining chooses among the rest.
Others are the batch itself or a cross-batch memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from registry.losses.labelled import Labelled

    Choice = Callable[[Labelled, Labelled], tuple[Tensor, ...]]
    """choose(batch, others) -> (anchors, positives, negatives), or
    (anchors, positives, anchors, negatives): int64 positions, anchors' in the batch."""


def masks(batch: Labelled, others: Labelled) -> tuple[Tensor, Tensor]:
    """Return which of (N, M) are positive pairs and which negative ones."""
    same = batch.labels[:, None] == others.labels[None, :]
    pair = batch.images[:, None] != others.images[None, :]
    return pair & same, pair & ~same


def all_pairs(batch: Labelled, others: Labelled) -> tuple[Tensor, ...]:
    """Choose every pair."""
    positive, negative = masks(batch, others)
    return *positive.nonzero(as_tuple=True), *negative.nonzero(as_tuple=True)


def all_triplets(batch: Labelled, others: Labelled) -> tuple[Tensor, ...]:
    """Choose every positive pair with every negative of its anchor."""
    positive, negative = masks(batch, others)
    anchors, positives = positive.nonzero(as_tuple=True)
    row, negatives = negative[anchors].nonzero(as_tuple=True)
    return anchors[row], positives[row], negatives


def semi_hard(margin: float) -> Choice:
    """Choose negatives farther than the positive, but within a margin of squared distance.

    Schroff et al. 2015, arXiv 1503.03832, section 3.2: all of them for every positive pair, where
    the authors take one.
    """

    def choose(batch: Labelled, others: Labelled) -> tuple[Tensor, ...]:
        positive, negative = masks(batch, others)
        squared = 2.0 - 2.0 * _similarities(batch, others)
        anchors, positives = positive.nonzero(as_tuple=True)
        near = squared[anchors, positives][:, None]
        far = squared[anchors]
        wanted = negative[anchors] & (near < far) & (far < near + margin)
        row, negatives = wanted.nonzero(as_tuple=True)
        return anchors[row], positives[row], negatives

    return choose


def hardest(batch: Labelled, others: Labelled) -> tuple[Tensor, ...]:
    """Choose each anchor's farthest positive and nearest negative; anchors need both.

    Batch hard, Hermans et al. 2017, arXiv 1703.07737, eq. 5.
    """
    positive, negative = masks(batch, others)
    similarities = _similarities(batch, others)
    positives = similarities.masked_fill(~positive, float("inf")).argmin(dim=1)
    negatives = similarities.masked_fill(~negative, float("-inf")).argmax(dim=1)
    (anchors,) = (positive.any(dim=1) & negative.any(dim=1)).nonzero(as_tuple=True)
    return anchors, positives[anchors], negatives[anchors]


def informative(epsilon: float) -> Choice:
    """Choose the pairs that another of their anchor contradicts, with epsilon to spare.

    Negatives nearer than the farthest positive, positives farther than the nearest negative:
    Wang et al. 2019, arXiv 1904.06627, section 4.1.
    """

    def choose(batch: Labelled, others: Labelled) -> tuple[Tensor, ...]:
        positive, negative = masks(batch, others)
        similarities = _similarities(batch, others)
        inf = float("inf")
        farthest = similarities.masked_fill(~positive, inf).amin(dim=1, keepdim=True)
        nearest = similarities.masked_fill(~negative, -inf).amax(dim=1, keepdim=True)
        positive = positive & (similarities - epsilon < nearest)
        negative = negative & (similarities + epsilon > farthest)
        return *positive.nonzero(as_tuple=True), *negative.nonzero(as_tuple=True)

    return choose


def _similarities(batch: Labelled, others: Labelled) -> Tensor:
    """Return (N, M) cosines; choosing is no path for gradients."""
    return batch.descriptors.detach() @ others.descriptors.detach().T
