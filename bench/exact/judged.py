"""Rankings where people judged what is relevant to each query: revisited Oxford and Paris."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from bench.exact.grid import Floats, check_vectors
from bench.exact.outcome import Entries, rankings_from
from bench.exact.walk import Walk, count_all
from bench.metrics.rankings import Rankings
from registry.errors import WorkError

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judgement:
    """What counts for one query: places in the gallery."""

    relevant: Positions
    ignored: Positions
    """Neither right nor wrong: taken out of the ranking. One that is relevant too is ignored."""


def judged_rankings(
    queries: Floats,
    parts: Sequence[Floats],
    setups: Sequence[Sequence[Judgement]],
    walk: Walk,
) -> list[Rankings]:
    """Rank parts of a gallery for every query under several setups, in one pass: a result for each.

    queries (Q, D); parts (G, D), places count on from one to the next; a setup holds a judgement
    per query. Distractors are a part like any other: they are read once and never held.
    """
    check_vectors(queries, "queries")
    for part in parts:
        check_vectors(part, "gallery")
    _check_setups(queries, parts, setups)
    known = [
        _known(query, parts, [setup[number] for setup in setups])
        for number, query in enumerate(queries)
    ]
    wanted = [
        _entries(
            [one.of(_only(j.relevant, j.ignored)) for one, j in zip(known, setup, strict=True)]
        )
        for setup in setups
    ]
    ignored = [
        _entries([one.of(np.unique(j.ignored)) for one, j in zip(known, setup, strict=True)])
        for setup in setups
    ]
    thresholds = Entries.joined(wanted).to(walk.device).thresholds(len(queries))
    tally = count_all(thresholds, queries, parts, walk)
    return [
        rankings_from(tally, relevant.to(walk.device), others.to(walk.device))
        for relevant, others in zip(wanted, ignored, strict=True)
    ]


@dataclass(frozen=True)
class Known:
    """Images that are judged for a query under any setup, and their exact similarities."""

    places: Positions
    """Rising."""
    similarities: npt.NDArray[np.float64]

    def of(self, places: Positions) -> npt.NDArray[np.float64]:
        """Similarities of some of them."""
        return self.similarities[np.searchsorted(self.places, places)]


def _known(query: Floats, parts: Sequence[Floats], judgements: Sequence[Judgement]) -> Known:
    places = np.unique(np.concatenate([p for j in judgements for p in (j.relevant, j.ignored)]))
    exact = rows_at(parts, places).astype(np.float64) @ query.astype(np.float64)
    return Known(places, exact)


def rows_at(parts: Sequence[Floats], places: Positions) -> Floats:
    """Rows of a gallery in several parts: (n,) places -> (n, D)."""
    starts = np.cumsum([0, *map(len, parts)])
    found = np.empty((len(places), parts[0].shape[1]), dtype=np.float32)
    for part, start, end in zip(parts, starts, starts[1:], strict=False):
        inside = (places >= start) & (places < end)
        found[inside] = part[places[inside] - start]
    return found


def _entries(similarities: Sequence[npt.NDArray[np.float64]]) -> Entries:
    """Pairs of each query and the images of which these are the similarities."""
    numbers = np.repeat(np.arange(len(similarities)), [len(some) for some in similarities])
    values = np.concatenate([*similarities, np.zeros(0)])
    return Entries(torch.from_numpy(numbers), torch.from_numpy(values))


def _only(relevant: Positions, ignored: Positions) -> Positions:
    only: Positions = np.setdiff1d(relevant, ignored)
    return only


def _check_setups(
    queries: Floats, parts: Sequence[Floats], setups: Sequence[Sequence[Judgement]]
) -> None:
    total = sum(map(len, parts))
    for part in parts:
        if part.shape[1] != queries.shape[1]:
            raise WorkError(
                f"queries have {queries.shape[1]} dims, the gallery {part.shape[1]}: both must "
                "come from one model and projection"
            )
    for setup in setups:
        if len(setup) != len(queries):
            raise WorkError(f"{len(queries)} queries, {len(setup)} of them judged: judge each")
        for judged in setup:
            places = np.concatenate([judged.relevant, judged.ignored])
            if places.dtype.kind not in "iu":
                raise WorkError(f"images are judged by {places.dtype}: give places in the gallery")
            if len(places) and not 0 <= places.min() <= places.max() < total:
                raise WorkError(f"image {places.max()} is judged, in a gallery of {total}")
