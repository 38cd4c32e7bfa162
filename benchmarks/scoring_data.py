"""Descriptors as trained networks give them, at the sizes of the field's test sets.

A class is a centre, an image its centre plus noise, both in 128 directions of falling spread,
turned into D coordinates: so about the same numbers come out at any D. The noise is such that at
60,502 images R@1 is about 75 % and R@1000 about 99 %. Two images of a hundred are exact duplicates
of an image of another class, which is where rankings that break ties by position go wrong.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.exact.grid import on_grid
from registry.datasets import revisited

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

DIRECTIONS = 128
NOISE, LANDMARK_NOISE, NOISE_SPREAD = 1.02, 0.8, 0.1
FALL = 0.4
COPIES = 0.01
LANDMARKS, RELEVANT, JUNK = 11, 80, 35
DISTRACTOR_BLOCK = 1 << 16
DISTRACTOR_SHIFT = 0.6


@dataclass(frozen=True)
class Case:
    """A test set's sizes; landmarks are judged by lists, the others by class."""

    dims: int
    queries: int
    gallery: int
    classes: int = 0
    alone: bool = False
    """The gallery is the queries: each is left out of its own ranking."""
    distractors: int = 0

    def within(self, images: int | None) -> Case:
        """Shrink to at most this many images a side, classes in proportion."""
        if images is None:
            return self
        share = min(1.0, images / max(self.queries, self.gallery))
        return Case(
            dims=self.dims,
            queries=round(self.queries * share) if self.classes else self.queries,
            gallery=round(self.gallery * share),
            classes=round(self.classes * share),
            alone=self.alone,
            distractors=min(self.distractors, images),
        )


CASES = {
    **{f"sop-{d}": Case(d, 60_502, 60_502, 11_316, alone=True) for d in (128, 384, 512)},
    **{f"inshop-{d}": Case(d, 14_218, 12_612, 3_985) for d in (128, 384, 512)},
    "roxford-2048": Case(2048, 70, 4_993),
    "r1m-128": Case(128, 70, 4_993, distractors=1_000_000),
}


@dataclass(frozen=True)
class Classes:
    """Images whose class says what is relevant; leave-one-out has one object as both sides."""

    queries: Floats
    query_labels: Integers
    gallery: Floats
    gallery_labels: Integers

    @property
    def alone(self) -> bool:
        """Whether the gallery is the queries."""
        return self.gallery is self.queries

    @property
    def parts(self) -> list[Floats]:
        """What the queries are compared with."""
        return [self.gallery]

    def first(self, images: int) -> Classes:
        """Return the whole classes that fit into so many images a side."""
        sides = (self.query_labels, self.gallery_labels)
        classes = min(int(np.searchsorted(np.bincount(x).cumsum(), images, "right")) for x in sides)
        chosen = self.query_labels < classes
        queries, labels = self.queries[chosen], self.query_labels[chosen]
        if self.alone:
            return Classes(queries, labels, queries, labels)
        chosen = self.gallery_labels < classes
        return Classes(queries, labels, self.gallery[chosen], self.gallery_labels[chosen])


@dataclass(frozen=True)
class Landmarks:
    """Queries judged by lists of gallery positions; parts are the gallery, then distractors."""

    queries: Floats
    parts: list[Floats]
    relevant: list[Integers]
    ignored: list[Integers]

    def first(self, images: int) -> Landmarks:
        """Leave out distractors beyond so many; the judged gallery stays whole."""
        return Landmarks(
            self.queries,
            [self.parts[0], *(part[:images] for part in self.parts[1:])],
            self.relevant,
            self.ignored,
        )


Data = Classes | Landmarks


def write(case: Case, folder: Path, truth: Path | None = None) -> None:
    """Draw a case into a folder; truth is a revisited ground truth's, else it is drawn too."""
    rng = np.random.default_rng(case.dims)
    if case.alone:
        _write_alone(case, folder, rng)
    elif case.classes:
        _write_two_sides(case, folder, rng)
    else:
        _write_landmarks(case, folder, rng, truth)


def load(folder: Path) -> Data:
    """Read a case into memory."""
    queries = np.load(folder / "queries.npy")
    parts = [np.load(part) for part in sorted(folder.glob("part*.npy"))]
    if (folder / "judged.json").exists():
        judged = json.loads((folder / "judged.json").read_text())
        lists = {key: [np.array(x, dtype=np.int64) for x in judged[key]] for key in judged}
        return Landmarks(queries, parts, **lists)
    labels = np.load(folder / "query_labels.npy")
    if not parts:
        return Classes(queries, labels, queries, labels)
    return Classes(queries, labels, parts[0], np.load(folder / "gallery_labels.npy"))


def _write_alone(case: Case, folder: Path, rng: np.random.Generator) -> None:
    labels = _labels(case.classes, case.queries, 2, rng)
    np.save(folder / "queries.npy", _with_duplicates(_drawn(labels, case.dims, rng), labels, rng))
    np.save(folder / "query_labels.npy", labels)


def _write_two_sides(case: Case, folder: Path, rng: np.random.Generator) -> None:
    sides = [_labels(case.classes, n, 1, rng) for n in (case.queries, case.gallery)]
    labels = np.concatenate(sides)
    vectors = _with_duplicates(_drawn(labels, case.dims, rng), labels, rng)
    np.save(folder / "queries.npy", vectors[: case.queries])
    np.save(folder / "part0.npy", vectors[case.queries :])
    np.save(folder / "query_labels.npy", sides[0])
    np.save(folder / "gallery_labels.npy", sides[1])


def _write_landmarks(
    case: Case, folder: Path, rng: np.random.Generator, truth: Path | None
) -> None:
    relevant, ignored = _read_truth(truth) if truth else _drawn_truth(case)
    last = max((int(x.max()) for x in [*relevant, *ignored] if len(x)), default=0)
    gallery = max(case.gallery, last + 1)
    labels = _landmarks(relevant, ignored, gallery)
    vectors = _drawn(labels, case.dims, rng, LANDMARK_NOISE)
    np.save(folder / "queries.npy", vectors[: len(relevant)])
    np.save(folder / "part0.npy", vectors[len(relevant) :])
    judged = {"relevant": relevant, "ignored": ignored}
    lists = {key: [positions.tolist() for positions in judged[key]] for key in judged}
    (folder / "judged.json").write_text(json.dumps(lists))
    if case.distractors:
        _write_distractors(folder / "part1.npy", case, vectors[: len(relevant)])


def _labels(classes: int, images: int, smallest: int, rng: np.random.Generator) -> Integers:
    """Classes of `smallest` to 12 images, so many in all, in random order."""
    share = (images / classes - smallest) / (12 - smallest)
    sizes = smallest + rng.binomial(12 - smallest, share, classes)
    while missing := images - int(sizes.sum()):
        step = 1 if missing > 0 else -1
        able = np.flatnonzero((sizes + step >= smallest) & (sizes + step <= 12))
        sizes[rng.permutation(able)[: abs(missing)]] += step
    return rng.permutation(np.repeat(np.arange(classes), sizes))


def _drawn(
    labels: Integers, dims: int, rng: np.random.Generator, noise_scale: float = NOISE
) -> Floats:
    """(N,) labels -> (N, D) unit vectors on the grid."""
    spread = _spread()
    centres = rng.standard_normal((labels.max() + 1, DIRECTIONS), dtype=np.float32) * spread
    noise = rng.standard_normal((len(labels), DIRECTIONS), dtype=np.float32) * spread
    noise *= noise_scale * np.exp(
        NOISE_SPREAD * rng.standard_normal((len(labels), 1), dtype=np.float32)
    )
    return _unit((centres[labels] + noise) @ _directions(dims))


def _spread() -> Floats:
    spread: Floats = np.arange(1, DIRECTIONS + 1, dtype=np.float32) ** -FALL
    return spread


def _directions(dims: int) -> Floats:
    """(128, D) orthonormal rows."""
    drawn = np.random.default_rng(dims).standard_normal((dims, DIRECTIONS))
    rows: Floats = np.linalg.qr(drawn)[0].T.astype(np.float32)
    return rows


def _unit(vectors: Floats) -> Floats:
    return on_grid(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _with_duplicates(vectors: Floats, labels: Integers, rng: np.random.Generator) -> Floats:
    """Replace an image of a hundred by a copy of one of another class: both are duplicates."""
    count = round(COPIES * len(vectors))
    chosen = rng.permutation(len(vectors))[: 2 * count]
    copies, originals = chosen[:count], chosen[count:]
    other = labels[copies] != labels[originals]
    vectors[copies[other]] = vectors[originals[other]]
    return vectors


def _read_truth(folder: Path) -> tuple[list[Integers], list[Integers]]:
    """Relevant and ignored gallery positions of each query, setup Medium."""
    (path,) = folder.glob("gnd_*.pkl")
    graded = revisited.read(folder, name=path.stem.removeprefix("gnd_")).graded
    assert graded is not None
    n = len(graded)
    judged = [graded[index] for index in range(n)]
    return [np.concatenate([x.easy, x.hard]) - n for x in judged], [x.junk - n for x in judged]


def _drawn_truth(case: Case) -> tuple[list[Integers], list[Integers]]:
    each = min(RELEVANT + JUNK, case.gallery // LANDMARKS)
    cut = each * RELEVANT // (RELEVANT + JUNK)
    starts = [index % LANDMARKS * each for index in range(case.queries)]
    relevant = [np.arange(start, start + cut) for start in starts]
    return relevant, [np.arange(start + cut, start + each) for start in starts]


def _landmarks(relevant: list[Integers], ignored: list[Integers], gallery: int) -> Integers:
    """What each query and gallery image shows; images that no query judges show scenes of ten.

    A query shows the landmark that most of its relevant images show already, else a new one.
    """
    shown = np.full(gallery, -1)
    queries = np.arange(len(relevant))
    for index, lists in enumerate(zip(relevant, ignored, strict=True)):
        known = shown[lists[0]]
        known = known[known >= 0]
        if 2 * len(known) > len(lists[0]):
            queries[index] = np.bincount(known).argmax()
        judged = np.concatenate(lists)
        shown[judged[shown[judged] < 0]] = queries[index]
    rest = np.flatnonzero(shown < 0)
    shown[rest] = len(relevant) + np.arange(len(rest)) // 10
    return np.concatenate([queries, shown])


def _write_distractors(path: Path, case: Case, queries: Floats) -> None:
    """Draw in blocks; their mean lies towards the queries, which makes them hard negatives."""
    shape = (case.distractors, case.dims)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    directions, spread = _directions(case.dims), _spread()
    mean = queries.mean(axis=0)
    for start in range(0, case.distractors, DISTRACTOR_BLOCK):
        rows = min(DISTRACTOR_BLOCK, case.distractors - start)
        rng = np.random.default_rng([case.dims, start])
        drawn = rng.standard_normal((rows, DIRECTIONS), dtype=np.float32) * spread
        shift = DISTRACTOR_SHIFT * np.linalg.norm(spread) * mean / np.linalg.norm(mean)
        file[start : start + rows] = _unit(drawn @ directions + shift.astype(np.float32))
    file.flush()
