"""Neighbour lists: what each query found first, for people to look at. Metrics never use them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.metrics.ties import Counts, Floats


def nearest(
    queries: Floats, gallery: Floats, excluded: Sequence[Counts], k: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the k most similar gallery images of each query, excluded ones left out.

    (Q, D), (G, D), Q arrays of gallery positions -> (Q, k) positions and similarities, padded
    with -1 and NaN where the gallery is smaller. Exact inner products, by faiss.
    """
    import faiss

    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(np.ascontiguousarray(gallery))
    widest = max((len(positions) for positions in excluded), default=0)
    similarities, found = index.search(np.ascontiguousarray(queries), min(len(gallery), k + widest))
    positions = np.full((len(queries), k), -1, dtype=np.int64)
    values = np.full((len(queries), k), np.nan, dtype=np.float32)
    for row, hidden in enumerate(excluded):
        kept = np.flatnonzero(~np.isin(found[row], hidden))[:k]
        positions[row, : len(kept)] = found[row, kept]
        values[row, : len(kept)] = similarities[row, kept]
    return positions, values
