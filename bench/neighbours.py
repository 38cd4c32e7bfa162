"""Neighbour lists: what each query found first, for people to look at. Metrics never use them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.exact.grid import Floats

Positions = npt.NDArray[np.int64]
PIECE = 1 << 17
"""Gallery images searched at a time."""


def nearest(
    queries: Floats, parts: Sequence[Floats], excluded: Sequence[Positions], k: int
) -> tuple[Positions, Floats]:
    """Return the k most similar gallery images of each query, excluded ones left out.

    (Q, D), parts of (G, D), Q arrays of gallery positions (counted on from part to part) -> (Q, k)
    positions and similarities, padded with -1 and NaN where the gallery is smaller. Inner products
    in float32, by faiss: of two images that are nearly as similar either may come first.
    """
    widest = max((len(positions) for positions in excluded), default=0)
    values, found = _search(queries, parts, k + widest)
    kept = found >= 0
    for row, hidden in enumerate(excluded):
        if len(hidden):
            kept[row] &= ~np.isin(found[row], hidden)
    order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    kept = np.take_along_axis(kept, order, 1)
    positions = np.where(kept, np.take_along_axis(found, order, 1), -1)
    similarities = np.take_along_axis(values, order, 1)
    similarities[~kept] = np.nan
    return positions, similarities


def _search(queries: Floats, parts: Sequence[Floats], k: int) -> tuple[Floats, Positions]:
    """The k best of all parts, a piece of the gallery at a time: similarities and positions."""
    import faiss

    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    found = np.full((len(queries), k), -1, dtype=np.int64)
    first = 0
    for part in parts:
        for start in range(0, len(part), PIECE):
            piece = np.ascontiguousarray(part[start : start + PIECE])
            values, places = faiss.knn(
                np.ascontiguousarray(queries),
                piece,
                min(k, len(piece)),
                metric=faiss.METRIC_INNER_PRODUCT,
            )
            values = np.concatenate([best, values], axis=1)
            places = np.concatenate([found, places + first + start], axis=1)
            order = np.argsort(-values, axis=1, kind="stable")[:, :k]
            best = np.take_along_axis(values, order, 1)
            found = np.take_along_axis(places, order, 1)
        first += len(part)
    return best, found
