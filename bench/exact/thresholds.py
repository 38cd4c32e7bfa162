"""Thresholds: the similarities of each query's relevant images, and counts of what passes them.

Legend: Q queries, T thresholds of all queries together, E entries (pairs of query and image).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Thresholds:
    """Distinct similarities of each query, rising."""

    values: Tensor
    """(T,) float64, query after query."""
    starts: Tensor
    """(Q + 1,) int64: those of query q are values[starts[q] : starts[q + 1]]."""

    @cached_property
    def counts(self) -> Tensor:
        """(Q,) thresholds of each query."""
        return self.starts[1:] - self.starts[:-1]

    @cached_property
    def lowest(self) -> Tensor:
        """(Q,) the lowest of each query; infinite where it has none."""
        return torch.where(self.counts > 0, self._padded[self.starts[:-1]], math.inf)

    @cached_property
    def _padded(self) -> Tensor:
        return torch.cat([self.values, self.values.new_full((1,), math.inf)])

    @cached_property
    def halvings(self) -> int:
        """Steps of a bisection of the query with most thresholds."""
        return int(self.counts.max()).bit_length() if len(self.counts) else 0

    def below(self, queries: Tensor, values: Tensor) -> Tensor:
        """How many of its query's thresholds are below each value: (E,), (E,) -> (E,)."""
        first = self.starts[queries]
        low, high = torch.zeros_like(first), self.counts[queries]
        for _ in range(self.halvings):
            middle = (low + high) // 2
            open_ = low < high
            less = (self._padded[first + middle] < values) & open_
            low = torch.where(less, middle + 1, low)
            high = torch.where(less | ~open_, high, middle)
        return low

    def next_at(self, queries: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
        """Place and value of the threshold after the given number; the value is inf past the last.

        (E,), (E,) -> (E,), (E,).
        """
        at = self.starts[queries] + below
        return at, torch.where(below < self.counts[queries], self._padded[at], math.inf)

    def table(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Thresholds of some queries as a rectangle, filled with inf: places and values, (q, t)."""
        counts = self.counts[queries]
        widest = int(counts.max()) if len(queries) else 0
        column = torch.arange(widest, device=self.values.device)
        at = (self.starts[queries][:, None] + column).clamp_(max=len(self.values))
        return at, torch.where(column < counts[:, None], self._padded[at], math.inf)


def thresholds_of(queries: Tensor, values: Tensor, n: int) -> Thresholds:
    """Collect the distinct values of each of n queries: (E,) int64, (E,) float64."""
    order = torch.argsort(values)
    order = order[torch.argsort(queries[order], stable=True)]
    queries, values = queries[order], values[order]
    new = torch.ones(len(values), dtype=torch.bool, device=values.device)
    new[1:] = (queries[1:] != queries[:-1]) | (values[1:] != values[:-1])
    starts = torch.zeros(n + 1, dtype=torch.int64, device=values.device)
    starts[1:] = torch.bincount(queries[new], minlength=n).cumsum(0)
    return Thresholds(values[new], starts)


class Tally:
    """Counts entries by the thresholds that they pass."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        total, queries = len(thresholds.values), len(thresholds.counts)
        device = thresholds.values.device
        self._passed = torch.zeros(total + queries, dtype=torch.int64, device=device)
        """Query q has a slot for each number of thresholds passed, from none to all of them."""
        self._above = torch.zeros(total, dtype=torch.int64, device=device)
        self._tied = torch.zeros(total, dtype=torch.int64, device=device)

    def add(self, queries: Tensor, values: Tensor, weight: int = 1) -> None:
        """Count entries whose exact similarities are known: (E,) int64, (E,) float64."""
        below = self.thresholds.below(queries, values)
        at, value = self.thresholds.next_at(queries, below)
        self.add_passed(queries, below, weight)
        tied = at[value == values]
        self._tied.index_add_(0, tied, torch.full_like(tied, weight))

    def add_passed(self, queries: Tensor, passed: Tensor, weight: int = 1) -> None:
        """Count entries that are above so many of their query's thresholds and tie with none."""
        slots = self.thresholds.starts[queries] + queries + passed
        ones = torch.full_like(slots, weight)
        self._passed.index_add_(0, slots, ones)

    def add_counts(self, at: Tensor, above: Tensor, tied: Tensor) -> None:
        """Add counts of entries above and at thresholds, by the places of those."""
        self._above.index_add_(0, at, above)
        self._tied.index_add_(0, at, tied)

    @property
    def above(self) -> Tensor:
        """(T,) entries with a similarity above each threshold."""
        queries = torch.repeat_interleave(self.thresholds.counts)
        slots = torch.arange(len(self._above), device=queries.device) + queries
        upto = self._passed.cumsum(0)
        last = self.thresholds.starts[1:] + torch.arange(len(self.thresholds.counts)).to(slots)
        return self._above + upto[last[queries]] - upto[slots]

    @property
    def tied(self) -> Tensor:
        """(T,) entries with exactly a threshold's similarity."""
        return self._tied.clone()
