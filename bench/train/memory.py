"""Cross-batch memory (Wang et al. 2020, arXiv 1912.06798): descriptors of the last batches."""

from __future__ import annotations

import torch

from registry.losses.labelled import Labelled


class CrossBatchMemory:
    """A first-in, first-out queue of detached descriptors.

    A batch is added after its loss was computed, so it never meets itself; an earlier copy of one
    of its images is masked by the loss, by identity.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.content: Labelled | None = None

    def add(self, batch: Labelled) -> None:
        """Enqueue a batch, and forget the oldest descriptors beyond the size."""
        new = Labelled(batch.descriptors.detach(), batch.labels, batch.images)
        if self.size == 0:
            return
        if self.content is None:
            joined = new
        else:
            joined = Labelled(*(torch.cat(pair) for pair in zip(self.content, new, strict=True)))
        self.content = Labelled(*(part[-self.size :] for part in joined))
