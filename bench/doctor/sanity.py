"""Two tests of the whole measurement: descriptors that know nothing must score chance.

Constant ones tie everywhere (a collapsed network): what breaks ties by order, or counts a query as
its own neighbour, is found out. Random ones have no ties: what mixes up images is found out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from bench.doctor.finding import Finding, ok
from bench.scoring import score
from registry.datasets import Dataset
from registry.datasets.split import Split

MOST_QUERIES = 1_000
"""Queries scored; of more, so many evenly spaced ones, against the whole gallery."""
DIMS = 32
SIGMAS = 6.0
DRAWS = 3
Advance = Callable[[int], None]


def check_sanity(row: Dataset, split: Split, advance: Advance) -> Iterator[Finding]:
    """Score both under the dataset's own protocol and compare with chance, known in closed form."""
    part = _sampled(split)
    images = len(part.evaluated)
    constant, _ = score(row, part, np.ones((images, 1), dtype=np.float32), advance)
    name = "r@1" if row.measure == "recall" else "map_medium"
    chance = float(constant[name].mean())
    expected = chance_of_recall(part, 1) if row.measure == "recall" else chance
    yield _constant(name, chance, expected)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(DRAWS):
        random = rng.normal(size=(images, DIMS)).astype(np.float32)
        unit = random / np.linalg.norm(random, axis=1, keepdims=True)
        table, _ = score(row, part, unit, advance)
        values.append(table[name].dropna().to_numpy())
    yield _random(name, np.concatenate(values), chance)


def sanity_queries(split: Split) -> int:
    """Queries that will be advanced over."""
    return (1 + DRAWS) * min(len(split.queries), MOST_QUERIES)


def chance_of_recall(split: Split, k: int) -> float:
    """Expected R@K of a random order: 1 - C(n - r, k) / C(n, k), averaged over queries."""
    labels = split.evaluated.labels
    in_gallery = np.bincount(labels[split.gallery], minlength=int(labels.max()) + 1)
    gallery = set(split.gallery.tolist())
    values = []
    for query in split.queries.tolist():
        own = query in gallery
        n, relevant = len(gallery) - own, int(in_gallery[labels[query]]) - own
        if relevant:
            values.append(1 - math.comb(n - relevant, k) / math.comb(n, k))
    return float(np.mean(values))


def _sampled(split: Split) -> Split:
    step = -(-len(split.queries) // MOST_QUERIES)
    return replace(split, queries=split.queries[::step])


def _constant(name: str, found: float, expected: float) -> Finding:
    text = f"constant descriptors score {name} {100 * found:.4f} %"
    if math.isclose(found, expected, abs_tol=1e-9):
        return ok("collapsed model", f"{text}: chance")
    text += f", chance is {100 * expected:.4f} %"
    return Finding("collapsed model", "problem", text, "the evaluation is wrong: report it")


def _random(name: str, values: np.ndarray, chance: float) -> Finding:
    mean, spread = float(values.mean()), float(values.std()) + math.sqrt(chance / len(values))
    text = f"random descriptors score {name} {100 * mean:.4f} %, chance is {100 * chance:.4f} %"
    if abs(mean - chance) <= SIGMAS * spread / math.sqrt(len(values)):
        return ok("random descriptors", text)
    advice = "what is relevant depends on what is measured: look at lists and duplicates"
    return Finding("random descriptors", "problem", text, advice)
