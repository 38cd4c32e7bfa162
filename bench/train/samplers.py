"""Which images make up a batch: the whole one, however many processes share its images.

Every sampler draws from a generator of its own. Those that look at descriptors do so once an epoch,
and draw its batches then; so no other batch waits for the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bench.exact.grid import Floats
from bench.train.population import Embed, Population
from bench.train.tuples import Tuples
from registry.datasets.split import Positions
from registry.errors import WorkError
from registry.recipe import Recipe
from registry.table import Table

SAMPLED = 8
"""Images of a class whose descriptors stand for it, where it has more."""
SEEDS = 256
"""Classes compared with all others at a time."""


class Sampler(Protocol):
    """Endless batches of positions."""

    place: Any
    """What the batches to come depend on, for JSON; set it to go on from there."""

    @property
    def waits(self) -> bool:
        """Whether the next batch is mined with the network as it is then: do not draw ahead."""

    @property
    def tuple_images(self) -> int:
        """How many images each tuple has, of which the batches consist; 0 if they do not."""

    def __next__(self) -> Positions: ...


class ClassBalanced(Iterator[Positions]):
    """Endless batches of classes x images positions, drawn from usable ones.

    Classes are drawn without replacement, images of a class too; a class with too few images is
    never drawn. Raises WorkError where there are too few such classes.
    """

    waits = False
    tuple_images = 0

    def __init__(
        self, labels: Positions, usable: Positions, *, classes: int, images: int, seed: int
    ) -> None:
        self.groups = _large_classes(labels, usable, classes, images)
        self.classes = classes
        self.images = images
        self.rng = np.random.default_rng(seed)

    def __next__(self) -> Positions:
        drawn = self.rng.choice(len(self.groups), size=self.classes, replace=False)
        return _images_of([self.groups[index] for index in drawn], self.images, self.rng)

    @property
    def place(self) -> dict[str, Any]:
        """What the batches to come depend on, for JSON; set it to go on from there."""
        return dict(self.rng.bit_generator.state)

    @place.setter
    def place(self, place: dict[str, Any]) -> None:
        self.rng.bit_generator.state = place


class AtRandom(Iterator[Positions]):
    """Endless batches of images drawn without replacement until each was drawn once; then again.

    What is left of an epoch begins the next one's first batch, which may hold an image twice.
    Raises WorkError where a batch takes more images than there are.
    """

    waits = False
    tuple_images = 0

    def __init__(self, usable: Positions, *, images: int, seed: int) -> None:
        if len(usable) < images:
            raise WorkError(
                f"a batch takes {images} images, and the training split has {len(usable)} that can "
                "be used: add images, or use a smaller recipe.batch_images"
            )
        self.usable = usable
        self.images = images
        self.rng = np.random.default_rng(seed)
        self._shuffle()

    def _shuffle(self) -> None:
        self.before = self.rng.bit_generator.state
        """The generator before the epoch: all there is to know of its order."""
        self.order = self.rng.permutation(self.usable)
        self.drawn = 0

    def __next__(self) -> Positions:
        batch = self.order[self.drawn : self.drawn + self.images]
        self.drawn += len(batch)
        if len(batch) == self.images:
            return batch
        self._shuffle()
        self.drawn = self.images - len(batch)
        return np.concatenate([batch, self.order[: self.drawn]])

    @property
    def place(self) -> dict[str, Any]:
        """What the batches to come depend on, for JSON; set it to go on from there."""
        return {"epoch": self.before, "drawn": self.drawn}

    @place.setter
    def place(self, place: dict[str, Any]) -> None:
        self.rng.bit_generator.state = place["epoch"]
        self._shuffle()
        self.drawn = place["drawn"]


class HardClasses(Iterator[Positions]):
    """Class-balanced batches of one class and those nearest to it, by their mean descriptors.

    Those of the first epoch are random. The one class is drawn without replacement while there are
    others; means are of 8 images at most. Raises WorkError as ClassBalanced does.
    """

    tuple_images = 0

    def __init__(self, population: Population, recipe: Recipe, seed: int) -> None:
        self.population = population
        self.classes = recipe.classes_per_batch
        self.images = recipe.images_per_class
        self.steps = recipe.epoch_steps
        self.groups = _large_classes(
            population.labels, population.usable, self.classes, self.images
        )
        self.rng = np.random.default_rng(seed)
        self.ahead = np.array(
            [
                self.rng.choice(len(self.groups), self.classes, replace=False)
                for _ in range(self.steps)
            ]
        )
        """(steps, classes): the classes of the batches that are left of the epoch."""

    def __next__(self) -> Positions:
        if self.waits:
            self.ahead = self._epoch()
        classes, self.ahead = self.ahead[0], self.ahead[1:]
        return _images_of([self.groups[index] for index in classes], self.images, self.rng)

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
        self.ahead = np.array(place["ahead"], dtype=np.int64).reshape(-1, self.classes)

    def _epoch(self) -> Positions:
        """Find the classes of each batch of the next epoch: (steps, classes)."""
        samples = [
            self.rng.choice(group, min(SAMPLED, len(group)), replace=False) for group in self.groups
        ]
        means = _means(self.population.descriptors(np.concatenate(samples)), samples)
        seeds = np.resize(self.rng.permutation(len(self.groups)), self.steps)
        return np.concatenate(
            [
                nearest_classes(means, seeds[at : at + SEEDS], self.classes)
                for at in range(0, self.steps, SEEDS)
            ]
        )


def nearest_classes(means: Floats, seeds: Positions, count: int) -> Positions:
    """Return each seed, then the count - 1 classes most similar to it: (S, count).

    Means are (C, D), l2-normalised; of equally similar classes the lower number comes first.
    """
    similarities = means[seeds] @ means.T
    similarities[np.arange(len(seeds)), seeds] = np.inf
    return np.argsort(-similarities, axis=1, kind="stable")[:, :count]


def _means(descriptors: Floats, samples: Sequence[Positions]) -> Floats:
    """The direction of each class' mean."""
    starts = np.cumsum([0, *map(len, samples[:-1])])
    sums = np.add.reduceat(descriptors, starts, axis=0)
    means: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return means


def _large_classes(
    labels: Positions, usable: Positions, classes: int, images: int
) -> list[Positions]:
    by_class = usable[np.argsort(labels[usable], kind="stable")]
    _, starts = np.unique(labels[by_class], return_index=True)
    found = [group for group in np.split(by_class, starts[1:]) if len(group) >= images]
    if len(found) < classes:
        raise WorkError(
            f"a batch takes {images} images of each of {classes} classes, and the training "
            f"split has {len(found)} classes with that many images: add images, or use "
            "another recipe"
        )
    return found


def _images_of(groups: Sequence[Positions], images: int, rng: np.random.Generator) -> Positions:
    return np.concatenate([rng.choice(group, size=images, replace=False) for group in groups])


def _class_balanced(population: Population, recipe: Recipe, seed: int) -> Sampler:
    return ClassBalanced(
        population.labels,
        population.usable,
        classes=recipe.classes_per_batch,
        images=recipe.images_per_class,
        seed=seed,
    )


def _at_random(population: Population, recipe: Recipe, seed: int) -> Sampler:
    return AtRandom(population.usable, images=recipe.batch_images, seed=seed)


@dataclass(frozen=True)
class SamplerRow:
    """A way to make up batches."""

    name: str
    meaning: str
    build: Callable[[Population, Recipe, int], Sampler]


SAMPLERS: Table[SamplerRow] = Table(
    "sampler",
    [
        SamplerRow("class_balanced", "images_per_class images of random classes", _class_balanced),
        SamplerRow("random", "every image once an epoch, in random order", _at_random),
        SamplerRow("hard_class", "as class_balanced, classes near each other", HardClasses),
        SamplerRow("tuples", "anchor, positive and the hardest negatives, mined", Tuples),
    ],
)
"""By the names that a recipe's field may have."""


def make_sampler(
    recipe: Recipe,
    labels: Positions,
    usable: Positions,
    seed: int,
    pairs: Positions | None = None,
    embed: Embed | None = None,
) -> Sampler:
    """Make a recipe's sampler; raises WorkError where the images do not suffice for its batches."""
    population = Population(labels, usable, pairs, embed)
    return SAMPLERS[recipe.sampler].build(population, recipe, seed)


def tuple_numbers(sampler: Sampler, batch: Positions) -> Positions | None:
    """Number the tuple that each image of a batch is of, from 0; None where there are none."""
    if not sampler.tuple_images:
        return None
    return np.arange(len(batch), dtype=np.int64) // sampler.tuple_images
