"""Rankings where images of the query's class are the relevant ones: SOP, CUB, In-Shop, folders."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from bench.exact.mates import Mates, Positions, Side, mates, mates_of_each
from bench.exact.outcome import Entries, rankings_from
from bench.exact.thresholds import Tally, Thresholds
from bench.exact.walk import Walk, count_all, count_each_other
from bench.metrics.rankings import FirstHits, Rankings, joined
from registry.errors import WorkError

MOST_PAIRS = 8_000_000
"""Queries times images of their classes that are held at once."""


def first_hits(queries: Side, gallery: Side, walk: Walk) -> FirstHits:
    """How many images are above the first relevant one of each query, and tied with it.

    Enough for Recall@K. The same Side twice is leave-one-out: half the product is computed.
    Memory: a tile, and 60 bytes per query.
    """
    _check(queries, gallery)
    n = len(queries.labels)
    best = torch.full((n,), -math.inf, dtype=torch.float64, device=walk.device)
    relevant, others, others_above = (
        torch.zeros(n, dtype=torch.int64, device=walk.device) for _ in range(3)
    )
    for some in mates(queries, gallery, walk.device):
        shown = some.similarities.masked_fill(some.own, -math.inf)
        first = shown.amax(dim=1)
        best[some.queries] = first
        relevant[some.queries] = (shown == first[:, None]).sum(dim=1)
        at_first = some.similarities == first[:, None]
        others[some.queries] = at_first.sum(dim=1)
        others_above[some.queries] = (some.similarities > first[:, None]).sum(dim=1)
    asking = best > -math.inf
    starts = torch.zeros(n + 1, dtype=torch.int64, device=walk.device)
    starts[1:] = asking.cumsum(0)
    tally = _counted(Thresholds(best[asking], starts), queries, gallery, walk)
    above, tied = torch.zeros_like(relevant), torch.zeros_like(relevant)
    above[asking] = tally.above - others_above[asking]
    tied[asking] = tally.tied - others[asking]
    positives = torch.where(asking, relevant, 0)
    return FirstHits(*(values.cpu().numpy() for values in (positives, tied, above)))


def rankings(queries: Side, gallery: Side, walk: Walk) -> Rankings:
    """Where every relevant image of each query stands: enough for any metric."""
    _check(queries, gallery)
    return joined(
        [_rankings_of(some, queries, gallery, walk) for some in _pieces(queries, gallery)]
    )


def _rankings_of(chosen: Positions, queries: Side, gallery: Side, walk: Walk) -> Rankings:
    everybody = len(chosen) == len(queries.labels)
    asked = queries if everybody else _part(queries, chosen)
    relevant, ignored = _entries(mates(asked, gallery, walk.device), walk.device)
    thresholds = relevant.thresholds(len(chosen))
    tally = _counted(thresholds, asked, gallery, walk)
    return rankings_from(tally, relevant, ignored)


def _counted(thresholds: Thresholds, queries: Side, gallery: Side, walk: Walk) -> Tally:
    if queries is gallery:
        return count_each_other(thresholds, queries.vectors, walk)
    return count_all(thresholds, queries.vectors, [gallery.vectors], walk)


def _entries(found: Iterator[Mates], device: torch.device) -> tuple[Entries, Entries]:
    """All pairs of a query and an image of its class: the relevant ones, and the query itself."""
    parts = [Entries.empty(device)], [Entries.empty(device)]
    for some in found:
        queries = some.queries[:, None].expand_as(some.own)
        for kept, mask in zip(parts, (~some.own, some.own), strict=True):
            kept.append(Entries(queries[mask], some.similarities[mask]))
    return Entries.joined(parts[0]), Entries.joined(parts[1])


def _pieces(queries: Side, gallery: Side) -> list[Positions]:
    """Split the queries where their classes are so large that all pairs would not fit."""
    pairs = np.cumsum(mates_of_each(queries, gallery))
    piece = pairs // MOST_PAIRS
    ends = np.flatnonzero(np.diff(piece)) + 1
    return np.split(np.arange(len(pairs)), ends)


def _part(side: Side, chosen: Positions) -> Side:
    return Side(side.vectors[chosen], side.labels[chosen], side.ids[chosen])


def _check(queries: Side, gallery: Side) -> None:
    queries.check("queries")
    if gallery is not queries:
        gallery.check("gallery")
    if queries.vectors.shape[1] != gallery.vectors.shape[1]:
        raise WorkError(
            f"queries have {queries.vectors.shape[1]} dims, the gallery "
            f"{gallery.vectors.shape[1]}: both must come from one model and projection"
        )
