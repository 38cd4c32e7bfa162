"""NAME@subset(classes=20,seed=0): a part of a dataset, by whole classes, for CI and first trials.

Categories: that many of the training and of the evaluated classes, each with all its images.
Landmarks: NAME@subset(queries=10,seed=0), that many queries with every image judged for one of
them, and as many others. Either way every query has something to find, and a subset is a dataset
of its own: part of the identity, never compared with the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.split import Graded, Images, Positions, Split
from registry.errors import UsageError, WorkError

FORM = re.compile(r"(?P<base>.+)@subset\((?P<inside>[^()]*)\)")


def subset_of(row: Dataset, text: str, inside: str) -> Dataset:
    """Return the row of a subset; raises UsageError for parameters that it does not have."""
    unit = "queries" if row.has_boxes else "classes"
    values = _parameters(text, inside, unit)
    size, seed = values[unit], values["seed"]
    choose = choose_queries if row.has_boxes else choose_classes

    def parse(root: Path) -> Split:
        return choose(row.read(root), size, seed)

    return replace(
        row,
        name=f"{row.name}@subset({unit}={size},seed={seed})",
        title=f"{row.title} ({size} {unit})",
        parse=parse,
        official=False,
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
    labels = split.evaluated.labels
    alone = set(np.unique(labels[split.queries])) - _findable(split)
    able = np.setdiff1d(np.unique(labels), sorted(alone))
    kept = _some(rng, able, classes)
    evaluated = np.flatnonzero(np.isin(labels, kept))
    train = None
    if split.train is not None:
        among = split.train.labels
        chosen = np.flatnonzero(np.isin(among, _some(rng, np.unique(among), classes)))
        train = split.train.chosen(chosen)
    return _narrowed(split, evaluated, train)


def _findable(split: Split) -> set[int]:
    """Classes of which every query has another image in the gallery."""
    labels = split.evaluated.labels
    in_gallery = np.bincount(labels[split.gallery], minlength=int(labels.max()) + 1)
    own = np.isin(split.queries, split.gallery)
    lone = labels[split.queries][in_gallery[labels[split.queries]] - own < 1]
    return set(np.unique(labels[split.queries])) - set(lone)


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
    return _narrowed(split, np.concatenate([kept, np.sort(gallery)]), split.train)


def _narrowed(split: Split, evaluated: Positions, train: Images | None) -> Split:
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
