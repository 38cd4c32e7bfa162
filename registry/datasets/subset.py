"""NAME@subset(classes=20,seed=0): a part of a dataset, by whole classes, for CI and first trials.

Categories: that many of the training and of the evaluated classes, each with all its images.
Landmarks: NAME@subset(queries=10,seed=0), that many queries with every image judged for one of
them, and as many others. Either way every query has something to find, and a subset is a dataset
of its own: part of the identity, never compared with the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.split import Graded, Images, Positions, Split, relevant_counts
from registry.errors import UsageError, WorkError

FORM = re.compile(r"(?P<base>.+)@subset\((?P<inside>[^()]*)\)")


def subset_of(row: Dataset, text: str, inside: str) -> Dataset:
    """Return the row of a subset; raises UsageError for parameters that it does not have."""
    if row.distractors or "subset" in row.identity:
        raise UsageError(
            f"dataset={text}: a subset is of a plain dataset: write roxford@subset(queries=10)+r1m"
        )
    unit = "queries" if row.has_boxes else "classes"
    values = _parameters(text, inside, unit)
    size, seed = values[unit], values["seed"]
    there = row.counts.queries if row.has_boxes else row.counts.evaluated_classes
    if there and size > there:
        raise UsageError(f"dataset={text}: {row.name} has {there} {unit}")
    choose = choose_queries if row.has_boxes else choose_classes

    def parse(root: Path) -> Split:
        return choose(row.read(root), size, seed)

    return replace(
        row,
        name=f"{row.name}@subset({unit}={size},seed={seed})",
        title=f"{row.title} ({size} {unit}{f', seed {seed}' if seed else ''})",
        parse=parse,
        official=False,
        about=True,
        lists=None,
        identity={**row.identity, "subset": {unit: size, "seed": seed}},
        counts=_about(row.counts, size, unit),
    )


def _parameters(text: str, inside: str, unit: str) -> dict[str, int]:
    values = {unit: 0, "seed": 0}
    for word in inside.split(","):
        name, _, value = word.strip().partition("=")
        if name not in values or not value.isdecimal():
            raise UsageError(
                f"dataset={text}: {word.strip()!r} is no parameter of this subset: "
                f"write NAME@subset({unit}=20,seed=0)"
            )
        values[name] = int(value)
    if values[unit] < 2:
        raise UsageError(f"dataset={text}: say how many {unit}, two or more: {unit}=20")
    return values


def choose_classes(split: Split, classes: int, seed: int) -> Split:
    """Keep some classes of both parts; of the evaluated ones, only such whose queries find some.

    All of a part's classes are kept where there are fewer.
    """
    rng = np.random.default_rng([seed, classes])
    evaluated, train = split.evaluated, split.train
    lone = np.unique(evaluated.labels[split.queries[relevant_counts(split) < 1]])
    able = [name for label, name in enumerate(evaluated.classes) if label not in lone]
    kept = _of_classes(evaluated, rng, able, classes)
    if train is None:
        return _narrowed(split, kept, None, None)
    trained = _of_classes(train, rng, train.classes, classes)
    return _narrowed(split, kept, train.chosen(trained), _pairs_among(split.pairs, trained))


def _of_classes(
    images: Images, rng: np.random.Generator, names: Sequence[str], n: int
) -> Positions:
    """Positions of all images of some classes, drawn by name: the order of a list is no chance."""
    ordered = sorted(names)
    drawn = {ordered[index] for index in _some(rng, np.arange(len(ordered)), n)}
    labels = [label for label, name in enumerate(images.classes) if name in drawn]
    return np.flatnonzero(np.isin(images.labels, labels))


def _pairs_among(pairs: Positions | None, kept: Positions) -> Positions | None:
    """Pairs of images that are both kept, at their new positions."""
    if pairs is None:
        return None
    inside = np.isin(pairs, kept).all(axis=1)
    return np.searchsorted(kept, pairs[inside])


def choose_queries(split: Split, queries: int, seed: int) -> Split:
    """Keep some queries that can find something, what is judged for them, and as many others."""
    if split.graded is None:
        raise WorkError("only judged queries can be chosen")
    rng = np.random.default_rng([seed, queries])
    able = [q for q, truth in split.graded.items() if len(truth.easy) + len(truth.hard)]
    kept = _some(rng, np.array(able, dtype=np.int64), queries)
    truths = [split.graded[int(query)] for query in kept]
    judged = np.unique(np.concatenate([np.concatenate(_parts(truth)) for truth in truths]))
    others = np.setdiff1d(split.gallery, judged)
    gallery = np.concatenate([judged, _some(rng, others, len(judged))])
    return _narrowed(split, np.concatenate([kept, np.sort(gallery)]), split.train, split.pairs)


def _narrowed(
    split: Split, evaluated: Positions, train: Images | None, pairs: Positions | None
) -> Split:
    """Keep these evaluated images, in this order."""
    place = np.full(len(split.evaluated), -1, dtype=np.int64)
    place[evaluated] = np.arange(len(evaluated))
    graded: Mapping[int, Graded] | None = split.graded and {
        int(place[query]): Graded(*(_placed(place, part) for part in _parts(truth)))
        for query, truth in split.graded.items()
        if place[query] >= 0
    }
    return replace(
        split,
        train=train,
        evaluated=split.evaluated.chosen(evaluated),
        queries=_placed(place, split.queries),
        gallery=_placed(place, split.gallery),
        graded=graded,
        pairs=pairs,
    )


def _parts(truth: Graded) -> tuple[Positions, Positions, Positions]:
    return truth.easy, truth.hard, truth.junk


def _placed(place: Positions, positions: Positions) -> Positions:
    found = place[positions]
    kept: Positions = found[found >= 0]
    return kept


def _some(rng: np.random.Generator, among: Positions, n: int) -> Positions:
    """Draw n without replacement, in ascending order; all where there are no more."""
    if len(among) <= n:
        return among
    return np.sort(rng.permutation(among)[:n])


def _about(whole: Counts, size: int, unit: str) -> Counts:
    """What a subset will hold, in proportion: its lists are not read before the work begins."""
    if unit == "queries":
        share = min(1.0, size / whole.queries)
        images = round(whole.evaluated_images * share)
        return replace(
            whole, evaluated_images=images, queries=size, easy=None, hard=None, junk=None
        )
    trained = min(1.0, size / (whole.train_classes or size))
    evaluated = min(1.0, size / (whole.evaluated_classes or size))
    return Counts(
        train_images=round(whole.train_images * trained),
        train_classes=size if whole.train_images else 0,
        evaluated_images=round(whole.evaluated_images * evaluated),
        evaluated_classes=size,
        queries=round(whole.queries * evaluated),
        gallery=round(whole.gallery * evaluated),
    )
