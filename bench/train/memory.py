"""Cross-batch memory (Wang et al. 2020, arXiv 1912.06798): descriptors of the last batches."""

from __future__ import annotations

import torch

from registry.losses.labelled import Labelled


class CrossBatchMemory:
    """A first-in, first-out queue of detached descriptors.

    An image is no pair with an earlier copy of itself: losses mask it by identity.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.content: Labelled | None = None

    def add(self, batch: Labelled) -> None:
        """Enqueue a batch, and forget the oldest descriptors beyond the size."""
        new = Labelled(batch.descriptors.detach(), batch.labels, batch.images)
        if self.size == 0:
            return
        joined = new if self.content is None else _joined(self.content, new)
        self.content = Labelled(
            joined.descriptors[-self.size :],
            joined.labels[-self.size :],
            joined.images[-self.size :],
        )


def _joined(old: Labelled, new: Labelled) -> Labelled:
    return Labelled(
        torch.cat([old.descriptors, new.descriptors]),
        torch.cat([old.labels, new.labels]),
        torch.cat([old.images, new.images]),
    )
