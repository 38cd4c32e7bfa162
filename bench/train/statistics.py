"""What is seen of a batch: how similar its images are, how much a loss's gradients differ."""

from __future__ import annotations

import torch
from torch import Tensor

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


def gradient_nuclear_norm(term: Tensor, descriptors: Tensor) -> Tensor:
    """Nuclear norm of the covariance of a term's gradients by N descriptors: gamma, section 3.5.

    The covariance has no negative eigenvalue, so the norm is its trace: the sum of the variances
    (N - 1) of the gradients' entries. Gradients are taken as they are, not as unit vectors. They go
    back to the descriptors only, and the graph stays: what follows has the same bits.
    """
    (gradients,) = torch.autograd.grad(term, descriptors, retain_graph=True)
    with torch.autocast(gradients.device.type, enabled=False):
        spread = gradients.double()
        spread = spread - spread.mean(dim=0)
        return spread.square().sum() / max(1, len(spread) - 1)
