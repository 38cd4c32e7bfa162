"""Scalable neighbourhood component analysis (SNCA).

    L    = -mean_i log sum_{j != i, y_j = y_i} p_ij
    p_ij = exp(z_i.z_j / t) / sum_{k != i} exp(z_i.z_k / t)

Wu, Efros, Yu 2018, arXiv 1808.04699, on cosines with a temperature t. There j and k run over a
memory of the whole training set, an average of each image's descriptors; here over the batch and
the cross-batch memory, where there is one. An image is no neighbour of itself, by identity. Images
without another of their class among those are left out of the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from registry.losses.pairs import joined, relations
from registry.losses.precision import in_float32
from registry.losses.space import Space

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.labelled import Labelled
    from registry.losses.loss import LossFunction


def build(parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Bind the temperature t."""
    temperature = parameters["temperature"]
    return in_float32(lambda batch, memory: snca(batch, memory, temperature=temperature))


def snca(batch: Labelled, memory: Labelled | None, *, temperature: float) -> Tensor:
    """Mean over the images that have a positive; 0 if none has."""
    others = joined(batch, memory)
    positive, negative = relations(batch, others)
    logits = batch.descriptors @ others.descriptors.T / temperature
    rows = positive.any(dim=1)  # without the others: a row of -inf alone has no gradient
    logits, positive, negative = logits[rows], positive[rows], negative[rows]
    hits = logits.masked_fill(~positive, -float("inf")).logsumexp(dim=1)
    everyone = logits.masked_fill(~(positive | negative), -float("inf")).logsumexp(dim=1)
    return (everyone - hits).sum() / max(1, len(logits))
