"""Walks over the product of queries and gallery, tile by tile: only counts leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.exact.blocks import Blocks, choose_blocks, free_bytes, pieces
from bench.exact.grid import Floats
from bench.exact.thresholds import Tally, Thresholds
from bench.exact.tile import Block, Tiles

Advance = Callable[[int], None]


def nothing(done: int) -> None:
    """Advance for nobody."""


@dataclass
class Walk:
    """Where and how a product is walked over."""

    device: torch.device
    advance: Advance = nothing
    blocks: Blocks | None = None
    """Chosen by the free memory unless given; counts do not depend on it."""

    def sizes(self, queries: int, dims: int) -> Blocks:
        """Rows and columns of a tile."""
        return self.blocks or choose_blocks(self.device, max(1, queries), dims)


def count_all(
    thresholds: Thresholds, queries: Floats, parts: Sequence[Floats], walk: Walk
) -> Tally:
    """Count every gallery image for every query: (Q, D), parts of (G, D).

    The gallery is read once, block by block.
    """
    tally = Tally(thresholds)
    order = _worth_asking(thresholds)
    sizes = walk.sizes(len(order), queries.shape[1])
    steps = Ticker(walk.advance, len(queries), sum(map(len, parts)) * max(1, len(order)))
    asked = _held(queries, walk.device)
    rows = [_block(asked, some, walk.device) for some in pieces(order, sizes.rows)]
    tiles = Tiles(tally, queries.shape[1], walk.device)
    with full_precision():
        for columns in _columns(parts, sizes.columns, walk.device):
            for row in rows:
                tiles.count(row, columns)
                steps.tick(len(row.vectors) * len(columns))
    steps.finish()
    return tally


def count_each_other(thresholds: Thresholds, images: Floats, walk: Walk) -> Tally:
    """Count every image for every other and itself: (N, D). Half the product: it is symmetric.

    Images are taken in the order of their lowest thresholds: what outranks something is then found
    in few tiles.
    """
    tally = Tally(thresholds)
    order = thresholds.lowest.argsort(stable=True)
    side = walk.sizes(len(images), images.shape[1]).rows
    blocks = pieces(order, side)
    held = _held(images, walk.device)
    tiles = Tiles(tally, images.shape[1], walk.device)
    steps = Ticker(walk.advance, len(images), len(images) * (len(images) + 1) // 2)
    with full_precision():
        for first, piece in enumerate(blocks):
            row = _block(held, piece, walk.device)
            if not thresholds.counts[piece].any():
                break  # nor do those after it look for anything
            tiles.count(row, row.vectors)
            steps.tick(len(piece) * (len(piece) + 1) // 2)
            for other in blocks[first + 1 :]:
                column = _block(held, other, walk.device)
                tiles.count_both(row, column)
                steps.tick(len(piece) * len(other))
    steps.finish()
    return tally


def _worth_asking(thresholds: Thresholds) -> Tensor:
    """Queries that look for anything, those with the lowest thresholds first: such go together."""
    order = thresholds.lowest.argsort(stable=True)
    return order[thresholds.counts[order] > 0]


def _block(vectors: Tensor, chosen: Tensor, device: torch.device) -> Block:
    rows = vectors.index_select(0, chosen.to(vectors.device))
    return Block(rows.to(device), chosen)


def _held(vectors: Floats, device: torch.device) -> Tensor:
    """All rows on the device if they take less than half of its free memory, else as they are."""
    rows = tensor(vectors)
    fits = device.type != "cpu" and 2 * rows.nbytes < free_bytes(device)
    return rows.to(device) if fits else rows


def _columns(parts: Sequence[Floats], size: int, device: torch.device) -> Iterator[Tensor]:
    for part in parts:
        for start in range(0, len(part), size):
            yield tensor(part[start : start + size]).to(device)


def tensor(rows: npt.NDArray[np.float32]) -> Tensor:
    """A view of rows, or a copy: torch knows no read-only tensors, and none that run backwards."""
    viewed = rows.flags.writeable and min(rows.strides) > 0
    return torch.from_numpy(rows if viewed else rows.copy())


@contextmanager
def full_precision() -> Iterator[None]:
    """Have float32 products computed in float32, whatever the caller allowed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class Ticker:
    """Turns products done into queries advanced, of which there are exactly so many."""

    def __init__(self, advance: Advance, queries: int, products: int) -> None:
        self._advance = advance
        self._queries, self._products = queries, max(1, products)
        self._done, self._said = 0, 0

    def tick(self, products: int) -> None:
        """Note products that are done."""
        self._done += products
        self._say(self._queries * self._done // self._products)

    def finish(self) -> None:
        """Note that all are."""
        self._say(self._queries)

    def _say(self, queries: int) -> None:
        if queries > self._said:
            self._advance(queries - self._said)
            self._said = queries
