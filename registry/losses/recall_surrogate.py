"""Recall@K surrogate (RS@k): Patel, Tolias, Matas 2022, arXiv 2108.11179.

    r_q(p)  = 1 + sum_{x != p} s((z_q.z_x - z_q.z_p) / tau2)        rank of a positive p of query q
    R_q(k)  = min(k, sum_p s((k - r_q(p)) / tau1)) / min(k, |P_q|)  its recall at k
    L       = 1 - mean_q mean_k R_q(k),  k = 1, 2, 4, 8, 16;  s: the sigmoid

Temperatures as the paper's: tau1 = 1, tau2 = 0.01. The cut at k and the divisor are the authors'
code's (github.com/yash0307/RecallatK_surrogate, src/losses.py), read; two things there differ and
are not followed: it lets the query itself, at similarity 1, count among those that outrank p, which
makes every rank one more, and its tau1 is k by default (--k_temperatures).
Every image of the batch is a query; x runs over the batch (the paper's thousands of images) and the
cross-batch memory, where there is one, the query's own image left out by identity. Queries without
a positive are left out of the mean. The paper's mixing of similarities (SiMix) is not here.
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

AT_ONCE = 2**24
"""Comparisons of positives with others that are in memory at a time."""


def build(parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Bind the temperatures and the largest k: the others are the powers of two below it."""
    taus = parameters["tau1"], parameters["tau2"]
    cuts = _powers_of_two(parameters["largest_k"])
    return in_float32(lambda batch, memory: recall_surrogate(batch, memory, cuts, taus))


def recall_surrogate(
    batch: Labelled, memory: Labelled | None, cuts: list[int], taus: tuple[float, float]
) -> Tensor:
    """Mean over the queries that have a positive; 0 if none has."""
    others = joined(batch, memory)
    positive, negative = relations(batch, others)
    similarities = batch.descriptors @ others.descriptors.T
    # the query's own image outranks nobody
    similarities = similarities.masked_fill(~(positive | negative), -float("inf"))
    queries, hits = positive.nonzero(as_tuple=True)
    ranks = _ranks(similarities, queries, hits, taus[1])
    counts = positive.sum(dim=1)
    recalls = similarities.new_zeros(len(counts))
    for k in cuts:
        found = ((k - ranks) / taus[0]).sigmoid()
        total = recalls.new_zeros(len(counts)).index_add(0, queries, found)
        recalls = recalls + total.clamp(max=k) / counts.clamp(min=1, max=k)
    asked = counts > 0
    return (1.0 - recalls[asked] / len(cuts)).sum() / asked.sum().clamp(min=1)


def _ranks(similarities: Tensor, queries: Tensor, hits: Tensor, tau: float) -> Tensor:
    """Smooth rank of each hit of a query among all others, from 1.

    In pieces, whose comparisons are made again for the gradient instead of being kept.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    def piece(similarities: Tensor, some: Tensor, found: Tensor) -> Tensor:
        rows = similarities[some]
        steps = ((rows - rows.gather(1, found[:, None])) / tau).sigmoid()
        return 0.5 + steps.sum(dim=1)  # 1, without the hit's comparison with itself: s(0)

    size = max(1, AT_ONCE // similarities.shape[1])
    found = [
        checkpoint(piece, similarities, *pair, use_reentrant=False, preserve_rng_state=False)
        for pair in zip(torch.split(queries, size), torch.split(hits, size), strict=True)
    ]
    return torch.cat(found)


def _powers_of_two(largest: float) -> list[int]:
    powers = [1]
    while 2 * powers[-1] <= largest:
        powers.append(2 * powers[-1])
    return powers
