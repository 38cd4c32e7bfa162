"""Tuples of an anchor, its positive and its hardest negatives, mined anew each epoch.

After cnnimageretrieval-pytorch's TuplesDataset (Radenovic et al. 2019, arXiv 1711.02512): random
pairs, a random pool of candidates, and for each anchor the most similar of them, no two of one
class (3D model) and none of the anchor's own, whose images may show the same. Pairs of an image
with itself, which SfM-120k has, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.exact.grid import Floats
from bench.train.population import Population
from registry.datasets.split import Positions
from registry.errors import WorkError
from registry.recipe import Recipe

ANCHORS = 256
"""Compared with the pool at a time: 22 MB for 22,000 candidates."""


class Tuples(Iterator[Positions]):
    """Endless batches of tuples, each flattened: anchor, positive, negatives from the hardest on.

    Where there are fewer pairs than an epoch takes, they are taken again in turn. Raises WorkError
    where there are no pairs, or too few classes for the negatives.
    """

    def __init__(self, population: Population, recipe: Recipe, seed: int) -> None:
        self.population = population
        self.recipe = recipe
        self.tuple_images = 2 + recipe.negatives
        if population.pairs is None:
            self.source = _with_mates(population.labels, population.usable)
        else:
            self.source = _proper(population.pairs, population.usable)
        if not len(self.source):
            raise WorkError(
                "tuples need two images that show the same, and the training split has none among "
                f"its {len(population.usable)} images that can be used: add images, or use another "
                "recipe"
            )
        _check_classes(len(np.unique(population.labels[population.usable])) - 1, recipe.negatives)
        self.rng = np.random.default_rng(seed)
        self.ahead = np.empty((0, recipe.batch_images), dtype=np.int64)
        """(batches, images): what is left of the epoch."""

    def __next__(self) -> Positions:
        if self.waits:
            self.ahead = self._epoch()
        batch: Positions = self.ahead[0]
        self.ahead = self.ahead[1:]
        return batch

    @property
    def waits(self) -> bool:
        """Whether the next batch is mined with the network as it is then."""
        return len(self.ahead) == 0

    @property
    def place(self) -> dict[str, Any]:
        """What the batches to come depend on, for JSON; set it to go on from there."""
        return {"generator": self.rng.bit_generator.state, "ahead": self.ahead.tolist()}

    @place.setter
    def place(self, place: dict[str, Any]) -> None:
        self.rng.bit_generator.state = place["generator"]
        ahead = np.array(place["ahead"], dtype=np.int64)
        self.ahead = ahead.reshape(-1, self.recipe.batch_images)

    def _epoch(self) -> Positions:
        """Mine: (steps, images of a batch)."""
        labels, usable = self.population.labels, self.population.usable
        pairs = self._pairs()
        pool = self.rng.choice(usable, min(self.recipe.pool_images, len(usable)), replace=False)
        found = self.population.descriptors(np.concatenate([pairs[:, 0], pool]))
        anchors, candidates = found[: len(pairs)], found[len(pairs) :]
        hard = hardest(
            anchors, labels[pairs[:, 0]], candidates, labels[pool], self.recipe.negatives
        )
        tuples = np.concatenate([pairs, pool[hard]], axis=1)
        return np.resize(tuples, (self.recipe.epoch_steps, self.recipe.batch_images))

    def _pairs(self) -> Positions:
        """Draw an epoch's pairs: (P, 2)."""
        count = min(self.recipe.pairs_per_epoch, len(self.source))
        drawn = self.rng.choice(len(self.source), count, replace=False)
        if self.population.pairs is not None:
            return self.source[drawn]
        return np.stack([self.source[drawn], self.source[self._mates(drawn)]], axis=1)

    def _mates(self, drawn: Positions) -> Positions:
        """Draw another image of the class of each; all are places in self.source."""
        labels = self.population.labels[self.source]
        first = np.searchsorted(labels, labels[drawn])
        size = np.searchsorted(labels, labels[drawn], side="right") - first
        mates: Positions = first + (drawn - first + self.rng.integers(1, size)) % size
        return mates


def hardest(
    anchors: Floats, own: Positions, pool: Floats, labels: Positions, count: int
) -> Positions:
    """Return each anchor's most similar candidates, no two of one class, none of its own.

    (A, D) and the classes of the A anchors, (P, D) and the classes of the P candidates ->
    (A, count) places in the pool, from the most similar on; of equal ones the lower class, then the
    lower place comes first. Raises WorkError where the pool has too few classes.
    """
    order = np.argsort(labels, kind="stable")
    classes, starts = np.unique(labels[order], return_index=True)
    _check_classes(len(classes) - int(np.isin(own, classes).any()), count)
    by_class = pool[order]
    found = [
        _hardest(anchors[at] @ by_class.T, own[at, None] == classes, starts, count)
        for at in (slice(at, at + ANCHORS) for at in range(0, len(anchors), ANCHORS))
    ]
    places: Positions = order[np.concatenate(found)]
    return places


def _hardest(
    similarities: Floats, forbidden: np.ndarray, starts: Positions, count: int
) -> Positions:
    """Take the best of each of the best classes; candidates are sorted by class."""
    best = np.maximum.reduceat(similarities, starts, axis=1)
    best[forbidden] = -np.inf
    chosen = np.argsort(-best, axis=1, kind="stable")[:, :count]
    ends = np.append(starts[1:], similarities.shape[1])
    return np.array(
        [
            [starts[c] + row[starts[c] : ends[c]].argmax() for c in taken]
            for row, taken in zip(similarities, chosen, strict=True)
        ],
        dtype=np.int64,
    )


def _check_classes(others: int, count: int) -> None:
    if others < count:
        raise WorkError(
            f"{count} negatives of different classes are to be mined for each anchor, and besides "
            f"its own there are {others} classes: use fewer recipe.negatives, more "
            "recipe.pool_images, or more images"
        )


def _proper(pairs: Positions, usable: Positions) -> Positions:
    """Pairs of two images, both usable."""
    proper: Positions = pairs[(pairs[:, 0] != pairs[:, 1]) & np.isin(pairs, usable).all(axis=1)]
    return proper


def _with_mates(labels: Positions, usable: Positions) -> Positions:
    """Images whose class has another one, sorted by class."""
    by_class = usable[np.argsort(labels[usable], kind="stable")]
    _, inverse, counts = np.unique(labels[by_class], return_inverse=True, return_counts=True)
    mated: Positions = by_class[counts[inverse] > 1]
    return mated
