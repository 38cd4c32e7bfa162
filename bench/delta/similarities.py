"""Similarities of queries to a gallery that may lie in several files, block by block.

Legend: Q queries of a block, G gallery images, D dims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

BLOCK_BYTES = 256 * 2**20
"""Of similarities held at once."""
CHUNK_BYTES = 64 * 2**20
"""Of gallery descriptors held at once, in float64."""


@dataclass(frozen=True)
class Stack:
    """Descriptors of several files as one: (N, D); files may be memory maps."""

    parts: Sequence[Floats]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def dims(self) -> int:
        """D."""
        return int(self.parts[0].shape[1])

    def take(self, positions: Positions) -> Floats:
        """Read these rows: (len(positions), D)."""
        rows = np.empty((len(positions), self.dims), dtype=np.float32)
        first = 0
        for part in self.parts:
            inside = (positions >= first) & (positions < first + len(part))
            rows[inside] = part[positions[inside] - first]
            first += len(part)
        return rows


@dataclass(frozen=True)
class Block:
    """Similarities of some queries, as we round them and as float16 would: (Q, G) each."""

    first: int
    """The first query's place among all queries."""
    single: Floats
    half: Floats
    """float32 that hold float16 values, which numpy compares much faster."""


def blocks(vectors: Stack, queries: Positions, gallery: Positions) -> Iterator[Block]:
    """Yield the similarities of all queries, as many queries at a time as memory allows."""
    size = max(1, BLOCK_BYTES // (8 * max(1, len(gallery))))
    for first in range(0, len(queries), size):
        yield _block(vectors, queries[first : first + size], gallery, first)


def _block(vectors: Stack, queries: Positions, gallery: Positions, first: int) -> Block:
    asked = vectors.take(queries)
    block = Block(first, *(np.empty((len(queries), len(gallery)), np.float32) for _ in range(2)))
    chunk = max(1, CHUNK_BYTES // (8 * vectors.dims))
    for start in range(0, len(gallery), chunk):
        found = vectors.take(gallery[start : start + chunk])
        columns = slice(start, start + len(found))
        block.single[:, columns] = products(asked, found)
        block.half[:, columns] = products(halved(asked), halved(found)).astype(np.float16)
    return block


def products(queries: Floats, gallery: Floats) -> Doubles:
    """Inner products in float64: (Q, D), (G, D) -> (Q, G)."""
    found: Doubles = queries.astype(np.float64) @ gallery.astype(np.float64).T
    return found


def halved(vectors: Floats) -> Floats:
    """Round to float16, kept in float32."""
    return vectors.astype(np.float16).astype(np.float32)
