"""Images of a query's class in the gallery, and their exact similarities.

Classes of one size are computed together: a few batched products instead of one per class.

Legend: m queries, g images of their class, D dims.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.exact.grid import Floats, check_vectors
from registry.errors import WorkError

Positions = npt.NDArray[np.int64]
ELEMENTS = 1 << 22
"""Most float64 numbers in a batch, on either side and in its products."""
MOST_QUERIES = 1024
"""Most queries of a class that are computed together."""


@dataclass(frozen=True)
class Side:
    """Queries or gallery: images with their classes."""

    vectors: Floats
    """(N, D) unit vectors on the grid."""
    labels: Positions
    """(N,) classes, from 0; below 0: of no class, relevant to nobody."""
    ids: Positions
    """(N,) what tells images apart: a query is not compared with the image that it is."""

    def check(self, what: str) -> None:
        """Raise WorkError for what is no such thing."""
        check_vectors(self.vectors, what)
        for name, values in (("labels", self.labels), ("ids", self.ids)):
            if values.shape != (len(self.vectors),) or values.dtype.kind not in "iu":
                raise WorkError(
                    f"{what}: {len(self.vectors)} descriptors and {name} of shape {values.shape} "
                    f"and type {values.dtype}: give a whole number for each descriptor"
                )


@dataclass(frozen=True)
class Mates:
    """Some queries and the gallery images of their class."""

    queries: Tensor
    """(m,) places of the queries."""
    similarities: Tensor
    """(m, g) float64, exact."""
    own: Tensor
    """(m, g) whether it is the query itself."""


def mates(queries: Side, gallery: Side, device: torch.device) -> Iterator[Mates]:
    """Yield all queries, those without any image of their class left out."""
    members = _by_class(gallery)
    pieces: dict[tuple[int, int], list[tuple[Positions, Positions]]] = {}
    for label, places in _by_class(queries).items():
        if label not in members:
            continue
        for start in range(0, len(places), MOST_QUERIES):
            piece = places[start : start + MOST_QUERIES]
            pair = (piece, members[label])
            pieces.setdefault((len(piece), len(members[label])), []).append(pair)
    for (m, g), pairs in pieces.items():
        step = max(1, ELEMENTS // ((m + g) * queries.vectors.shape[1] + m * g))
        for start in range(0, len(pairs), step):
            batch = pairs[start : start + step]
            left, right = (np.stack(places) for places in zip(*batch, strict=True))
            yield _batch(queries, gallery, left, right, device)


def _batch(
    queries: Side, gallery: Side, left: Positions, right: Positions, device: torch.device
) -> Mates:
    """Compute classes of one size: (b, m) and (b, g) places."""
    a = torch.from_numpy(queries.vectors[left]).to(device).double()
    b = torch.from_numpy(gallery.vectors[right]).to(device).double()
    own = queries.ids[left][:, :, None] == gallery.ids[right][:, None, :]
    return Mates(
        torch.from_numpy(left).to(device).flatten(),
        (a @ b.transpose(1, 2)).flatten(0, 1),
        torch.from_numpy(own).to(device).flatten(0, 1),
    )


def mates_of_each(queries: Side, gallery: Side) -> Positions:
    """(Q,) gallery images of each query's class, itself counted where it is among them."""
    sizes = {label: len(places) for label, places in _by_class(gallery).items()}
    labels, which = np.unique(queries.labels, return_inverse=True)
    counts = np.array([sizes.get(label, 0) for label in labels.tolist()], dtype=np.int64)
    return counts[which]


def _by_class(side: Side) -> dict[int, Positions]:
    """Class -> places of its images."""
    order = np.argsort(side.labels, kind="stable")
    names, starts = np.unique(side.labels[order], return_index=True)
    ends = [*starts[1:], len(order)]  # one too many where there are no images
    places = zip(names.tolist(), starts, ends, strict=False)
    return {name: order[start:end] for name, start, end in places if name >= 0}
