"""One tile: images against queries, counted into the queries' tally.

Most images are below everything that a query looks for. The few others are listed from the float32
products; those too near to a threshold to be sure of are computed again in float64. Where they are
not few (the query looks for something far down its ranking, or descriptors are nearly the same),
the query's products are computed in float64, and sorted.

Legend: R queries, C images, D dims, E listed products.
"""

from __future__ import annotations

import math
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
MOST_MARKED = 0.95
"""Share of words with a listed product beyond which a list is not even made."""
MOST_UNSURE = 1 / 48
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
        self._count(rows, columns, self._listed(products, self._lowest(rows)[:, None]))

    def count_both(self, rows: Block, columns: Block) -> None:
        """Count each side's images for the other side's queries.

        The lowest threshold of each column may not be below that of any row: one list serves both.
        """
        products = self._product(rows.vectors, columns.vectors)
        reach = self._lowest(columns)
        mine = self._listed(products, self._lowest(rows)[:, None])
        theirs = mine.where(mine.value >= reach[mine.column]) if mine else None
        self._count(rows, columns.vectors, mine)
        theirs = theirs or self._listed(products, reach)
        self._count(columns, rows.vectors, theirs and theirs.turned())

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

    def _count(self, rows: Block, columns: Tensor, listed: Listed | None) -> None:
        if listed is None:
            return count_sorted(self.tally, rows, columns)
        counts = torch.bincount(listed.row, minlength=len(rows.queries))
        deep = counts > MOST_LISTED * len(columns)
        if deep.any():
            count_sorted(self.tally, rows.where(deep), columns)
            listed = listed.where(~deep[listed.row])
        if not self._settled(rows, columns, listed):
            count_sorted(self.tally, rows.where(~deep), columns)
        return None

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

    def _listed(self, products: Tensor, lowest: Tensor) -> Listed | None:
        """List the products that reach a value, given for each row or column; None if most do.

        Flags are looked through eight at a time: nearly all words are empty.
        """
        total = products.numel()
        if -(-total // WORD) != len(self._flags):
            self._flags = torch.zeros(-(-total // WORD), dtype=torch.int64, device=products.device)
        self._flags[-1:] = 0  # the last word may be half used
        flags = self._flags.view(torch.bool)[:total].view(products.shape)
        torch.ge(products, lowest, out=flags)
        marked = self._flags.nonzero().squeeze(1)
        if len(marked) > MOST_MARKED * len(self._flags):
            return None
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


def count_sorted(tally: Tally, rows: Block, columns: Tensor) -> None:
    """Count all (C, D) images from sorted exact products."""
    at, values = tally.thresholds.table(rows.queries)
    real = torch.isfinite(values)
    exact = rows.vectors.double()
    for some in pieces(columns, SORTED_AT_ONCE):
        found = _sorted(exact @ some.double().T)
        below = torch.searchsorted(found, values, side="left")
        not_above = torch.searchsorted(found, values, side="right")
        tally.add_counts(at[real], (len(some) - not_above)[real], (not_above - below)[real])


def _pair_products(left: Tensor, right: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Exact inner products of pairs of rows, in float64: (E,), (E,) -> (E,)."""
    step = max(1, PAIR_ELEMENTS // left.shape[1])
    parts = [
        (left[r].double() * right[c].double()).sum(dim=1)
        for r, c in zip(pieces(row, step), pieces(column, step), strict=True)
    ]
    return torch.cat(parts) if parts else left.new_zeros(0, dtype=torch.float64)


def _sorted(values: Tensor) -> Tensor:
    """Sort each row, in place where that is possible: numpy's sort is several times torch's."""
    if values.device.type != "cpu":
        return values.sort(dim=1).values
    if values.numel() < WORTH_THREADS:
        values.numpy().sort(axis=1)
        return values
    threads = torch.get_num_threads()
    pieces = np.array_split(values.numpy(), threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda piece: piece.sort(axis=1), pieces))
    return values
