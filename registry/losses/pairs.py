"""Pairs of labelled descriptors: who is whose positive, whose negative, and who is no pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.labelled import Labelled


def relations(anchors: Labelled, others: Labelled) -> tuple[Tensor, Tensor]:
    """Say which of anchors x others are positive and which negative pairs.

    Two masks (N, M); an image is no pair with itself, whatever its descriptors are.
    """
    pair = anchors.images[:, None] != others.images[None, :]
    same_class = anchors.labels[:, None] == others.labels[None, :]
    return pair & same_class, pair & ~same_class


def joined(batch: Labelled, memory: Labelled | None) -> Labelled:
    """Put a batch, first, and the memory, if there is one, into one set of descriptors."""
    import torch

    if memory is None:
        return batch._replace(tuples=None)
    parts = zip(batch[:3], memory[:3], strict=True)
    descriptors, labels, images = (torch.cat(pair) for pair in parts)
    return batch._replace(descriptors=descriptors, labels=labels, images=images, tuples=None)
