"""Two tests of the whole measurement: descriptors that know nothing must score chance.

Constant ones tie everywhere (a collapsed network): what breaks ties by order, or counts a query as
its own neighbour, is found out. Random ones have no ties: what mixes up images is found out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bench.doctor.finding import Finding, ok
from bench.exact.grid import on_grid
from bench.scoring import score
from registry.datasets import Dataset
from registry.datasets.split import Split, relevant_counts

MOST_QUERIES = 1_000
"""Queries scored; of more, so many evenly spaced ones, against the whole gallery."""
DIMS = 32
SIGMAS = 6.0
DRAWS = 3
Advance = Callable[[int], None]
Doubles = npt.NDArray[np.float64]


def check_sanity(row: Dataset, split: Split, advance: Advance) -> Iterator[Finding]:
    """Score both under the dataset's own protocol and compare with chance, known in closed form."""
    part = _sampled(split)
    images = len(part.evaluated)
    constant = score(row, part, [np.ones((images, 1), dtype=np.float32)], advance=advance).table
    if row.measure == "recall":
        chances = {k: chance_of_recall(part, k) for k in row.ks}
        k = min(chances, key=lambda k: abs(chances[k] - 0.5))  # where a difference shows best
        name, expected = f"r@{k}", chances[k]
    else:
        name, expected = "map_medium", chance_of_map_medium(part)
    yield _constant(name, float(constant[name].mean()), expected)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(DRAWS):
        random = rng.normal(size=(images, DIMS)).astype(np.float32)
        unit = on_grid(random / np.linalg.norm(random, axis=1, keepdims=True))
        table = score(row, part, [unit], advance=advance).table
        values.append(table[name].dropna().to_numpy())
    yield _random(name, np.concatenate(values), expected)


def sanity_queries(split: Split) -> int:
    """Queries that will be advanced over."""
    return (1 + DRAWS) * min(len(split.queries), MOST_QUERIES)


def chance_of_recall(split: Split, k: int) -> float:
    """Expected R@K of a random order: 1 - C(n - r, k) / C(n, k), averaged over queries."""
    own = np.isin(split.queries, split.gallery)
    relevant = relevant_counts(split)
    cases = Counter(zip((len(split.gallery) - own).tolist(), relevant.tolist(), strict=True))
    found = {(n, r): 1 - math.comb(n - r, k) / math.comb(n, min(n, k)) for n, r in cases if r}
    total = sum(cases[case] for case in found)
    return sum(found[case] * cases[case] for case in found) / total


def chance_of_map_medium(split: Split) -> float:
    """Expected mAP Medium of a random order, averaged over the queries that can find something."""
    values = []
    for truth in (split.graded or {}).values():
        relevant = len(truth.easy) + len(truth.hard)
        if relevant:
            values.append(
                chance_of_average_precision(relevant, len(split.gallery) - len(truth.junk))
            )
    return float(np.mean(values))


def chance_of_average_precision(relevant: int, images: int) -> float:
    """Expected trapezoid AP of a random order: a sum over the ranks at which an image can stand.

    At rank r (from 0) stands a relevant image with probability n / N; before it stand r (n - 1) /
    (N - 1) others, expected.
    """
    ranks = np.arange(images, dtype=np.float64)
    before = ranks * (relevant - 1) / max(1, images - 1)
    left = np.where(ranks == 0, 1.0, before / np.maximum(ranks, 1))
    right = (before + 1) / (ranks + 1)
    return float(np.sum(left + right) / (2 * images))


def _sampled(split: Split) -> Split:
    step = -(-len(split.queries) // MOST_QUERIES)
    return replace(split, queries=split.queries[::step])


def _constant(name: str, found: float, expected: float) -> Finding:
    text = f"constant descriptors score {name} {100 * found:.4f} %"
    if math.isclose(found, expected, abs_tol=1e-9):
        return ok("collapsed model", f"{text}: chance")
    text += f", chance is {100 * expected:.4f} %"
    return Finding("collapsed model", "problem", text, "the evaluation is wrong: report it")


def _random(name: str, values: Doubles, chance: float) -> Finding:
    mean, n = float(values.mean()), len(values)
    text = f"random descriptors score {name} {100 * mean:.4f} %, chance is {100 * chance:.4f} %"
    spread = max(float(values.std()), math.sqrt(chance * (1 - chance)))
    if abs(mean - chance) <= SIGMAS * spread / math.sqrt(n) + SIGMAS / n:
        return ok("random descriptors", text)
    advice = "what is relevant depends on what is measured: look at lists and duplicates"
    return Finding("random descriptors", "problem", text, advice)
