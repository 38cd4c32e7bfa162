"""From counts over the whole gallery to rankings of what counts: known images are taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.exact.thresholds import Tally, Thresholds, thresholds_of
from bench.metrics.rankings import Rankings


@dataclass(frozen=True)
class Entries:
    """Pairs of a query and an image whose exact similarities are known."""

    queries: Tensor
    """(E,)"""
    similarities: Tensor
    """(E,) float64"""

    @staticmethod
    def empty(device: torch.device) -> Entries:
        """No pairs."""
        return Entries(
            torch.zeros(0, dtype=torch.int64, device=device),
            torch.zeros(0, dtype=torch.float64, device=device),
        )

    @staticmethod
    def joined(parts: Sequence[Entries]) -> Entries:
        """All pairs of some parts."""
        return Entries(
            torch.cat([part.queries for part in parts]),
            torch.cat([part.similarities for part in parts]),
        )

    def to(self, device: torch.device) -> Entries:
        """The same on a device."""
        return Entries(self.queries.to(device), self.similarities.to(device))

    def thresholds(self, n: int) -> Thresholds:
        """The distinct similarities of each of n queries."""
        return thresholds_of(self.queries, self.similarities, n)


def rankings_from(tally: Tally, relevant: Entries, ignored: Entries) -> Rankings:
    """Take relevant and ignored images out of counts of all; what is left is irrelevant.

    The tally's thresholds hold all similarities of relevant images; those of others are dropped.
    """
    thresholds = tally.thresholds
    positives, positives_above = _counts(thresholds, relevant)
    hidden, hidden_above = _counts(thresholds, ignored)
    kept = positives > 0
    order = _highest_first(thresholds, kept)
    queries = torch.repeat_interleave(thresholds.counts)[order]
    starts = torch.zeros(len(thresholds.counts) + 1, dtype=torch.int64, device=order.device)
    starts[1:] = torch.bincount(queries, minlength=len(thresholds.counts)).cumsum(0)
    tied = tally.tied - positives - hidden
    above = tally.above - positives_above - hidden_above
    return Rankings(
        *(values.cpu().numpy() for values in (starts, positives[order], tied[order], above[order]))
    )


def _counts(thresholds: Thresholds, entries: Entries) -> tuple[Tensor, Tensor]:
    """How many entries are at, and above, each threshold."""
    tally = Tally(thresholds)
    tally.add(entries.queries, entries.similarities)
    return tally.tied, tally.above


def _highest_first(thresholds: Thresholds, kept: Tensor) -> Tensor:
    """Places of the kept thresholds, query after query, the highest of each first."""
    queries = torch.repeat_interleave(thresholds.counts)
    places = torch.arange(len(kept), device=kept.device)
    mirrored = thresholds.starts[queries] + thresholds.starts[queries + 1] - 1 - places
    return mirrored[kept[mirrored]]
