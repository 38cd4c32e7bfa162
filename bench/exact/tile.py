"""One tile: images against queries, counted into the queries' tally.

Most images are below everything that a query looks for. The few others are listed from the float32
products; those too near to a threshold to be sure of are computed again in float64. Where they are
not few (the query looks for something far down its ranking, or descriptors are nearly the same),
the query's products are computed in float64, and sorted.

Legend: R queries, C images, D dims, E listed products.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.exact.blocks import pieces
from bench.exact.grid import rounding_bound
from bench.exact.thresholds import Tally

MOST_LISTED = 1 / 6
"""Share of a query's images beyond which counting them from a list costs more than sorting."""
SAMPLE = 128
"""Images by which that share is guessed."""
MOST_UNSURE = 1 / 48
"""Share of a tile beyond which computing its unsure pairs one by one costs more than sorting."""
SORTED_AT_ONCE = 1 << 12
"""Images that are sorted together: more than fit into a cache take longer each."""
WORTH_THREADS = 1 << 19
"""Numbers whose sorting takes longer than starting threads."""
PAIR_ELEMENTS = 1 << 21
WORD = 8


@dataclass(frozen=True)
class Block:
    """Consecutive rows of one side of the product."""

    vectors: Tensor
    """(n, D) float32."""
    queries: Tensor
    """(n,) the number of each row's query in the tally."""

    def where(self, kept: Tensor) -> Block:
        """Some of the rows."""
        return Block(self.vectors[kept], self.queries[kept])


class Tiles:
    """Counts tile after tile into one tally, in the same memory: fresh memory costs page faults."""

    def __init__(self, tally: Tally, dims: int, device: torch.device) -> None:
        self.tally = tally
        self.bound = rounding_bound(dims)
        self._products = torch.empty(0, device=device)
        self._flags = torch.zeros(0, dtype=torch.int64, device=device)

    def count(self, rows: Block, columns: Tensor) -> None:
        """Count the images of (C, D) columns for the rows' queries."""
        products = self._product(rows.vectors, columns)
        reach = self._lowest(rows)
        deep = _deep(products, reach)
        listed = self._listed(products, reach.masked_fill(deep, math.inf)[:, None])
        self._count(rows, columns, listed, deep)

    def count_both(self, rows: Block, columns: Block) -> None:
        """Count each side's images for the other side's queries.

        The lowest threshold of each column may not be below that of any row: one list serves both.
        """
        products = self._product(rows.vectors, columns.vectors)
        reach, reach_back = self._lowest(rows), self._lowest(columns)
        deep, deep_back = _deep(products, reach), _deep(products.T, reach_back)
        reach_back.masked_fill_(deep_back, math.inf)
        mine = self._listed(products, reach.masked_fill(deep, math.inf)[:, None])
        if deep.any():
            theirs = self._listed(products, reach_back)
        else:
            theirs = mine.where(mine.value >= reach_back[mine.column])
        self._count(rows, columns.vectors, mine, deep)
        self._count(columns, rows.vectors, theirs.turned(), deep_back)

    def _product(self, left: Tensor, right: Tensor) -> Tensor:
        size = len(left) * len(right)
        if size > len(self._products):
            self._products = torch.empty(size, device=left.device)
        out = self._products[:size].view(len(left), len(right))
        return torch.mm(left, right.T, out=out)

    def _lowest(self, rows: Block) -> Tensor:
        """(R,) the lowest float32 product that may reach a threshold of each query."""
        lowest = (self.tally.thresholds.lowest[rows.queries] - self.bound).float()
        return torch.nextafter(lowest, torch.full_like(lowest, -math.inf))

    def _count(self, rows: Block, columns: Tensor, listed: Listed, deep: Tensor) -> None:
        """Settle what is listed, and sort the rows that are deep and have nothing listed."""
        if not self._settled(rows, columns, listed):
            deep = torch.ones_like(deep)
        if deep.any():
            count_sorted(self.tally, rows.where(deep), columns)

    def _settled(self, rows: Block, columns: Tensor, listed: Listed) -> bool:
        """Count listed products; False if too many of them are too near to a threshold."""
        thresholds = self.tally.thresholds
        queries = rows.queries[listed.row]
        passed = thresholds.below(queries, listed.value - self.bound)
        _, following = thresholds.next_at(queries, passed)
        unsure = (following <= listed.value + self.bound).nonzero().squeeze(1)
        if len(unsure) > MOST_UNSURE * len(rows.vectors) * len(columns):
            return False
        self.tally.add_passed(queries, passed)
        self.tally.add_passed(queries[unsure], passed[unsure], weight=-1)
        pairs = listed.row[unsure], listed.column[unsure]
        self.tally.add(queries[unsure], _pair_products(rows.vectors, columns, *pairs))
        return True

    def _listed(self, products: Tensor, lowest: Tensor) -> Listed:
        """List the products that reach a value, given for each row or column.

        Flags are looked through eight at a time: nearly all words are empty.
        """
        total = products.numel()
        if -(-total // WORD) != len(self._flags):
            self._flags = torch.zeros(-(-total // WORD), dtype=torch.int64, device=products.device)
        self._flags[-1:] = 0  # the last word may be half used
        flags = self._flags.view(torch.bool)[:total].view(products.shape)
        torch.ge(products, lowest, out=flags)
        marked = self._flags.nonzero().squeeze(1)
        word, bit = self._flags[marked].view(torch.bool).view(-1, WORD).nonzero(as_tuple=True)
        places = marked[word] * WORD + bit
        row = torch.div(places, products.shape[1], rounding_mode="floor")
        column = places - row * products.shape[1]
        return Listed(row, column, products.flatten()[places].double())


@dataclass(frozen=True)
class Listed:
    """Some products of a tile: (E,) each."""

    row: Tensor
    column: Tensor
    value: Tensor
    """float64, of the float32 product."""

    def where(self, kept: Tensor) -> Listed:
        """Some of them."""
        return Listed(self.row[kept], self.column[kept], self.value[kept])

    def turned(self) -> Listed:
        """The same, seen from the other side."""
        return Listed(self.column, self.row, self.value)


def _deep(products: Tensor, reach: Tensor) -> Tensor:
    """(R,) whether so many products reach a row's value that sorting is cheaper: a guess."""
    sample = products[:, :SAMPLE] >= reach[:, None]
    return sample.sum(dim=1) > MOST_LISTED * sample.shape[1]


def count_sorted(tally: Tally, rows: Block, columns: Tensor) -> None:
    """Count all (C, D) images from sorted exact products."""
    at, values = tally.thresholds.table(rows.queries)
    real = torch.isfinite(values)
    exact = rows.vectors.double() @ columns.double().T
    for piece in _caches(exact):
        found = _sorted(piece)
        wanted = values[:, None].expand(-1, found.shape[1], -1).contiguous()
        below = torch.searchsorted(found, wanted, side="left").sum(dim=1)
        not_above = torch.searchsorted(found, wanted, side="right").sum(dim=1)
        above = found[0].numel() - not_above
        tally.add_counts(at[real], above[real], (not_above - below)[real])


def _caches(values: Tensor) -> Iterator[Tensor]:
    """Cut rows into equal pieces that fit a cache, and a rest: (R, C) -> (R, n, c), (R, 1, c)."""
    whole = values.shape[1] - values.shape[1] % SORTED_AT_ONCE
    if whole:
        yield values[:, :whole].contiguous().view(len(values), -1, SORTED_AT_ONCE)
    if whole < values.shape[1]:
        yield values[:, None, whole:].contiguous()


def _pair_products(left: Tensor, right: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Exact inner products of pairs of rows, in float64: (E,), (E,) -> (E,)."""
    step = max(1, PAIR_ELEMENTS // left.shape[1])
    parts = [
        (left[r].double() * right[c].double()).sum(dim=1)
        for r, c in zip(pieces(row, step), pieces(column, step), strict=True)
    ]
    return torch.cat(parts) if parts else left.new_zeros(0, dtype=torch.float64)


def _sorted(values: Tensor) -> Tensor:
    """Sort the last axis, in place where that is possible: numpy is faster than torch."""
    if values.device.type != "cpu":
        return values.sort(dim=-1).values
    if values.numel() < WORTH_THREADS:
        values.numpy().sort(axis=-1)
        return values
    threads = torch.get_num_threads()
    shares = np.array_split(values.numpy(), threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda share: share.sort(axis=-1), shares))
    return values
