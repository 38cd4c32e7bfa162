"""How similar the images of a batch are: what shows whether a loss still has work to do."""

from __future__ import annotations

import torch

from registry.losses.labelled import Labelled


@torch.no_grad()
def pair_statistics(batch: Labelled, beta: float | None) -> dict[str, float]:
    """Mean cosine of positive and of negative pairs, share of negatives above the margin beta.

    Pairs of one image with itself are none. What there are no pairs for is left out, as is the
    share without a margin. One copy from the device.
    """
    rows = batch.descriptors.detach().float()
    with torch.autocast(rows.device.type, enabled=False):
        similarities = rows @ rows.T
    pairs = batch.images[:, None] != batch.images[None, :]
    same = batch.labels[:, None] == batch.labels[None, :]
    positive, negative = pairs & same, pairs & ~same
    active = negative & (similarities > (torch.inf if beta is None else beta))
    sums = [(similarities * mask).sum(dtype=torch.float64) for mask in (positive, negative)]
    counts = [mask.sum() for mask in (positive, negative, active)]
    near, far, n_positive, n_negative, n_active = torch.stack([*sums, *counts]).tolist()
    found = {}
    if n_positive:
        found["positive_similarity"] = near / n_positive
    if n_negative:
        found["negative_similarity"] = far / n_negative
        if beta is not None:
            found["active_negatives"] = n_active / n_negative
    return found
