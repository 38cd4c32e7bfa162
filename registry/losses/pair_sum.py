"""Sum of eq. 1's terms over all pairs of a batch with others, and its gradient, in one walk.

The sum is linear in the similarities wherever it is not constant: -1 for a positive pair, +1 for a
negative one above the margin. The gradient is therefore known with the value, and no matrix of
anchors x others is kept for a backward pass. The others are walked in blocks that stay in a
processor's cache; a block's gradient goes through the columns that have an active pair alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from registry.losses.labelled import Labelled
from registry.losses.pairs import relations

IN_CACHE, ON_DEVICE = 2**20, 2**26
"""Similarities at a time on a processor, and elsewhere, where each block costs a wait.

Smaller ones are no faster, and slow where processes share cores: threads meet after each operation.
"""
FEW = 1 / 3
"""Up to this share of active columns, copying them costs less than multiplying with all."""


def pair_sum(anchors: Labelled, others: Labelled, *, beta: float) -> Tensor:
    """Sum of eq. 1's terms over anchors x others; an image is no pair with itself.

    Differentiable once, by the descriptors of both, which may be the same.
    """
    value: Tensor = _PairSum.apply(anchors.descriptors, others.descriptors, anchors, others, beta)
    return value


class _PairSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, anchors: Labelled, others: Labelled, beta: float
    ) -> Tensor:
        walk = _Walk(
            anchors._replace(descriptors=left),
            others._replace(descriptors=right),
            value=left.new_zeros(()),
            left=torch.zeros_like(left) if ctx.needs_input_grad[0] else None,
            right=torch.zeros_like(right) if ctx.needs_input_grad[1] else None,
        )
        walk.go(beta)
        ctx.save_for_backward(walk.left, walk.right)
        return walk.value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        left, right = (None if part is None else scale * part for part in ctx.saved_tensors)
        return left, right, None, None, None


@dataclass
class _Walk:
    """The sum so far, and its gradient by the anchors' and the others' descriptors."""

    anchors: Labelled
    others: Labelled
    value: Tensor
    left: Tensor | None
    right: Tensor | None

    def go(self, beta: float) -> None:
        rows, columns = len(self.anchors.labels), len(self.others.labels)
        on_processor = self.value.device.type == "cpu"
        size = max(1, (IN_CACHE if on_processor else ON_DEVICE) // max(1, rows))
        related = _found(self.others.labels, self.anchors.labels)
        related |= _found(self.others.images, self.anchors.images)
        # no similarity is above an infinite margin: related columns have their own turn
        margins = self.value.new_full((columns,), beta).masked_fill_(related, torch.inf)
        for start in range(0, columns, size):
            self._negatives(start, margins[start : start + size])
        for some in torch.split(related.nonzero().squeeze(1), size):
            self._related(some, beta)

    def _negatives(self, start: int, margins: Tensor) -> None:
        """Add others of which no anchor has the class or is the image."""
        block = slice(start, start + len(margins))
        excess = self.anchors.descriptors @ self.others.descriptors[block].T
        excess.sub_(margins).clamp_(min=0.0)
        sums = excess.sum(dim=0)
        self.value += sums.sum()
        active = sums.nonzero().squeeze(1)
        if len(active) > FEW * len(margins):
            self._slope(block, excess.sign_())
        elif len(active):
            self._slope(start + active, excess[:, active].sign_())

    def _related(self, some: Tensor, beta: float) -> None:
        """Add others that may be positives of an anchor, or its own image."""
        found = Labelled(*(part[some] for part in self.others[:3]))
        similarities = self.anchors.descriptors @ found.descriptors.T
        positive, negative = relations(self.anchors, found)
        active = negative & (similarities > beta)
        self.value += (1.0 - similarities)[positive].sum() + (similarities - beta)[active].sum()
        self._slope(some, active.to(similarities) - positive.to(similarities))

    def _slope(self, columns: slice | Tensor, slopes: Tensor) -> None:
        """Add the gradient through some columns, each of which has one turn."""
        if self.left is not None:
            self.left.addmm_(slopes, self.others.descriptors[columns])
        if self.right is not None:
            self.right[columns] += slopes.T @ self.anchors.descriptors


def _found(values: Tensor, among: Tensor) -> Tensor:
    """Whether each value is among others, few of them."""
    known = among.sort().values
    places = torch.searchsorted(known, values).clamp_(max=len(known) - 1)
    return values == known[places]
