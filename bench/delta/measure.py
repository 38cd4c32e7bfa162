"""Measure: every convention over every query, each set of inputs passed over once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from bench.delta.conventions import DEFINITIONS, OURS, RECALL, Convention
from bench.delta.formulas import Formula
from bench.delta.inputs import Inputs
from bench.delta.rankings import Judged, Order, Ranking
from bench.delta.similarities import Positions, blocks
from registry.datasets import Dataset
from registry.datasets.split import Graded, Split

Advance = Callable[[int], None]
SETUPS = ("easy", "medium", "hard")
PRECISION_KS = (10,)
NOWHERE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Metric:
    """One column: r@10 is of the family r@ with k = 10; map_easy of map in the setup easy."""

    family: str
    k: int = 0
    setup: str = ""

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"{self.family}{self.k or ''}" + (f"_{self.setup}" if self.setup else "")


def metrics_of(row: Dataset) -> list[Metric]:
    """The columns of a dataset."""
    if row.measure == RECALL:
        ks = dict.fromkeys([1, *row.ks])
        return [*(Metric("r@", k) for k in ks), Metric("map@r"), Metric("map")]
    precisions = [Metric("mp@", k, setup) for k in PRECISION_KS for setup in SETUPS]
    return [*(Metric("map", setup=setup) for setup in SETUPS), *precisions]


class Mean:
    """A mean over the queries that count."""

    def __init__(self) -> None:
        self.total, self.queries = 0.0, 0

    def add(self, value: float) -> None:
        """Count a query, unless it is none (NaN)."""
        if not isnan(value):
            self.total += value
            self.queries += 1

    @property
    def value(self) -> float:
        """NaN where no query counts."""
        return self.total / self.queries if self.queries else nan


def measure(
    row: Dataset, inputs: Inputs, conventions: Sequence[Convention], advance: Advance
) -> dict[str, dict[str, float]]:
    """Mean of every metric that a convention changes, as fractions: convention -> metric -> mean.

    Our own, where it is asked for, has all of them.
    """
    metrics = metrics_of(row)
    wanted = {
        convention.name: [metric for metric in metrics if metric.family in convention.changes]
        for convention in conventions
    }
    means = {name: {metric.name: Mean() for metric in wanted[name]} for name in wanted}
    judge = _of_class if row.measure == RECALL else _of_setups
    for setup, judged in judge(inputs, advance):
        outcome = Outcome(judged)
        for convention in conventions:
            for metric in wanted[convention.name]:
                if metric.setup == setup:
                    value = _value(convention, metric, outcome, row)
                    means[convention.name][metric.name].add(value)
    return {
        name: {metric: mean.value for metric, mean in found.items()}
        for name, found in means.items()
    }


class Outcome:
    """One query's rankings and numbers, each worked out once: without ties many are the same."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self.rankings: dict[Order, Ranking] = {}
        self.values: dict[tuple[int, Formula, int], float] = {}

    def value(self, order: Order, formula: Formula, k: int) -> float:
        """A formula of an order's ranking."""
        if order not in self.rankings:
            self.rankings[order] = order(self.judged)
        ranking = self.rankings[order]
        key = id(ranking), formula, k
        if key not in self.values:
            self.values[key] = formula(ranking, k)
        return self.values[key]


def _value(convention: Convention, metric: Metric, outcome: Outcome, row: Dataset) -> float:
    if not len(outcome.judged.relevant):
        return convention.empty
    ours = DEFINITIONS[row.measure][metric.family]
    formula = convention.formulas.get(metric.family, ours)
    return outcome.value(convention.order, formula, metric.k)


def _of_class(inputs: Inputs, advance: Advance) -> Iterator[tuple[str, Judged]]:
    """Each query with the images of its class as the relevant ones."""
    split = inputs.split
    labels, place = split.evaluated.labels, _places(split)
    members = _members(labels[split.gallery])
    for query, single, half in _rows(inputs, advance):
        own = _in_gallery(place, np.array([query]))
        relevant = np.setdiff1d(members.get(int(labels[query]), NOWHERE), own)
        yield "", Judged(single, half, relevant, NOWHERE, own)


def _of_setups(inputs: Inputs, advance: Advance) -> Iterator[tuple[str, Judged]]:
    """Each query once per setup, with what that asks for and what it ignores."""
    split = inputs.split
    assert split.graded is not None
    place = _places(split)
    for query, single, half in _rows(inputs, advance):
        own = _in_gallery(place, np.array([query]))
        for setup in SETUPS:
            parts = _asked(split.graded[query], setup)
            wanted, ignored = (_in_gallery(place, part) for part in parts)
            relevant = np.setdiff1d(wanted, np.concatenate([ignored, own]))
            yield setup, Judged(single, half, relevant, ignored, own)


def _rows(inputs: Inputs, advance: Advance) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Each query's position and its similarities."""
    split = inputs.split
    for block in blocks(inputs.vectors, split.queries, split.gallery):
        for offset, (single, half) in enumerate(zip(block.single, block.half, strict=True)):
            yield int(split.queries[block.first + offset]), single, half
            advance(1)


def _places(split: Split) -> Positions:
    """Place in the gallery of each evaluated image, -1 where it is not in it."""
    places = np.full(len(split.evaluated), -1, dtype=np.int64)
    places[split.gallery] = np.arange(len(split.gallery))
    return places


def _in_gallery(place: Positions, images: Positions) -> Positions:
    found: Positions = place[images]
    return found[found >= 0]


def _members(labels: Positions) -> dict[int, Positions]:
    """Class -> places of its images in the gallery."""
    order = np.argsort(labels, kind="stable")
    names, starts = np.unique(labels[order], return_index=True)
    parts = np.split(order, starts[1:])
    return dict(zip(names.tolist(), parts, strict=True))


def _asked(truth: Graded, setup: str) -> tuple[Positions, Positions]:
    """What is relevant and what is ignored (revisitop, example_evaluate.py)."""
    if setup == "easy":
        return truth.easy, np.concatenate([truth.junk, truth.hard])
    if setup == "hard":
        return truth.hard, np.concatenate([truth.junk, truth.easy])
    return np.concatenate([truth.easy, truth.hard]), truth.junk


def applicable(conventions: Iterable[Convention], row: Dataset, split: Split) -> list[Convention]:
    """Those that can differ from ours on this measure and split; ours is one of them."""
    all_there = bool(np.isin(split.queries, split.gallery).all())
    return [
        convention
        for convention in conventions
        if row.measure in convention.measures and (all_there or not convention.needs_own)
    ]


def is_ours(convention: Convention) -> bool:
    """Whether it is the one that the others are compared with."""
    return convention.name == OURS
