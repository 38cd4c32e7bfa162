"""Paired tests: whether two descriptors differ on the same queries, or by chance.

All take the differences of outcomes, query by query (results.outcomes.difference).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from results.outcomes import Doubles, Outcomes

ALPHA, POWER = 0.05, 0.8
FLIPS, SEED = 10_000, 0
EXACT_UNITS = 16
"""Units that differ, up to which all 2^n sign flips are counted; beyond, FLIPS are drawn."""
FLIPS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Wins:
    """Queries on which A is better, on which B is, and on which they agree."""

    a: int
    b: int
    equal: int


def wins(differences: Outcomes) -> Wins:
    """Count queries by who is better."""
    values = differences.per_query
    a, b = int((values > 0).sum()), int((values < 0).sum())
    return Wins(a, b, len(values) - a - b)


def standard_error(differences: Outcomes) -> float:
    """Standard error of the mean, cluster-robust: units vary, not queries (CR1).

    Root of U/(U-1) sum over units of (sum of deviations)^2, by Q; NaN with one unit.
    """
    sums, sizes = differences.sums(), differences.sizes()
    units = len(sums)
    if units < 2:
        return float("nan")
    deviations = sums - sizes * (sums.sum() / sizes.sum())
    return float(np.sqrt(units / (units - 1) * (deviations**2).sum()) / sizes.sum())


def minimum_detectable(
    differences: Outcomes, *, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Smallest true difference that a two-sided test on these queries finds with this power."""
    normal = NormalDist()
    z = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)
    return z * standard_error(differences)


def sign_flip(differences: Outcomes, *, flips: int = FLIPS, seed: int = SEED) -> float:
    """Two-sided p of no difference: if A and B are alike, each unit's sign is a coin's (Fisher).

    Whole units are flipped. Exact where at most 16 units differ; else of drawn flips,
    (1 + those as far from 0) / (1 + all) (Phipson and Smyth 2010), which is never 0.
    """
    sums = differences.sums()
    sums = sums[np.abs(sums) > differences.rounding]
    if not len(sums):
        return 1.0
    bound = abs(sums.sum()) - differences.rounding
    if len(sums) <= EXACT_UNITS:
        return float((np.abs(_all_flips(sums)) >= bound).mean())
    return (1 + _far(sums, bound, flips, seed)) / (1 + flips)


def mcnemar(differences: Outcomes) -> float | None:
    """Exact two-sided McNemar p: a binomial test over the queries on which one alone succeeds.

    None where outcomes are no successes and failures (AP, expected values of ties, several seeds).
    Takes queries as independent; sign_flip does not.
    """
    if not np.isin(differences.per_query, (-1.0, 0.0, 1.0)).all():
        return None
    found = wins(differences)
    n, fewer = found.a + found.b, min(found.a, found.b)
    ways = tail = 1  # of choosing k of n
    for k in range(fewer):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, float(2 * tail / 2**n))


def _all_flips(sums: Doubles) -> Doubles:
    """(2^n,) totals under every choice of signs."""
    totals = np.zeros(1)
    for value in sums:
        totals = np.concatenate([totals + value, totals - value])
    return totals


def _far(sums: Doubles, bound: float, flips: int, seed: int) -> int:
    """How many drawn flips have a total at least as far from 0."""
    generator, found = np.random.default_rng(seed), 0
    at_once = max(1, FLIPS_AT_ONCE // len(sums))
    for start in range(0, flips, at_once):
        shape = (min(at_once, flips - start), len(sums))
        heads = generator.integers(2, size=shape, dtype=np.int8).astype(np.float64)
        totals = 2 * (heads @ sums) - sums.sum()
        found += int((np.abs(totals) >= bound).sum())
    return found
