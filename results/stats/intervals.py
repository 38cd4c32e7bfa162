"""Intervals: how far a mean over queries could lie from that over all such queries.

Legend: U units (classes, or queries), B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from results.outcomes import Doubles, Outcomes

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0
"""The same draws for every cell: cells of one dataset are compared on the same resamples."""
DRAWS_AT_ONCE = 1 << 22
NORMAL = NormalDist()
Method = Literal["bootstrap", "wilson"]


@dataclass(frozen=True)
class Interval:
    """Ends of a confidence interval, in the unit of the outcomes: fractions."""

    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether a value lies outside."""
        return not self.low <= value <= self.high


def interval_of(
    outcomes: Outcomes, method: Method = "bootstrap", *, level: float = LEVEL
) -> Interval:
    """Interval of a metric's mean: BCa bootstrap over units, or Wilson's over queries.

    Where all queries agree (R@K of 0 or 100 %), or are of one class, a bootstrap sees no spread, so
    it is Wilson's over units: nothing tells how alike the queries of a class are.
    """
    if method == "wilson":
        return wilson(outcomes.mean, len(outcomes.per_query), level=level)
    constant = bool((outcomes.per_query == outcomes.per_query[0]).all())
    if constant or len(outcomes.units) < 2:
        return wilson(outcomes.mean, len(outcomes.units), level=level)
    return bootstrap(outcomes, level=level)


def wilson(share: float, n: int, *, level: float = LEVEL) -> Interval:
    """Score interval of a proportion of independent queries (Wilson 1927): cheap, of R@K alone.

    Of a mean of values between 0 and 1 (AP) it is too wide: no variable spreads more than 0 or 1.
    """
    z = NORMAL.inv_cdf((1 + level) / 2)
    centre = share + z * z / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = (centre - half) / scale, (centre + half) / scale
    return Interval(float(low) if share > 0 else 0.0, float(high) if share < 1 else 1.0)


def bootstrap(
    outcomes: Outcomes, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """Bias-corrected and accelerated bootstrap (Efron 1987) of the mean, drawing whole units.

    Also of differences. The mean of a resample is the sum over its queries by their number: units
    differ in size. The acceleration is the jackknife's, leaving out unit after unit. One unit tells
    nothing of others: its interval is unbounded.
    """
    sums, sizes = outcomes.sums(), outcomes.sizes()
    if len(sums) < 2:
        return Interval(float("-inf"), float("inf"))
    means = resampled_means(sums, sizes, resamples, seed)
    return corrected(means, sums, sizes, rounding=outcomes.rounding, level=level)


def corrected(
    means: Doubles, sums: Doubles, sizes: Doubles, *, rounding: float, level: float
) -> Interval:
    """Ends of the BCa interval of resampled means (B,) of units' sums (U,) and sizes (U,).

    rounding: up to which two sums are equal.
    """
    below = _share_below(means, sums.sum() / sizes.sum(), rounding / sizes.sum())
    if not 0 < below < 1:
        return Interval(float(means.min()), float(means.max()))
    bias, acceleration = NORMAL.inv_cdf(below), _acceleration(sums, sizes)
    ends = [_adjusted(side, bias, acceleration) for side in ((1 - level) / 2, (1 + level) / 2)]
    low, high = np.quantile(means, ends)
    return Interval(float(low), float(high))


def resampled_means(sums: Doubles, sizes: Doubles, resamples: int, seed: int) -> Doubles:
    """(B,) means of as many units as there are, drawn with replacement."""
    generator, units = np.random.default_rng(seed), len(sums)
    at_once = max(1, DRAWS_AT_ONCE // units)
    means = []
    for start in range(0, resamples, at_once):
        shape = (min(at_once, resamples - start), units)
        drawn = generator.integers(units, size=shape, dtype=np.int32)
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def _share_below(means: Doubles, mean: float, rounding: float) -> float:
    """Share of resamples below the mean, those equal to it counted half."""
    equal = np.abs(means - mean) <= rounding
    return float(((means < mean) & ~equal).mean() + equal.mean() / 2)


def _acceleration(sums: Doubles, sizes: Doubles) -> float:
    """A sixth of the skewness of the jackknife's influence values (Efron 1987, eq. 7.3)."""
    left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
    influence = left_out.mean() - left_out
    spread = float((influence**2).sum())
    return float((influence**3).sum() / (6 * spread**1.5)) if spread else 0.0


def _adjusted(side: float, bias: float, acceleration: float) -> float:
    """Where in the resamples' distribution an end of the interval lies."""
    z = bias + NORMAL.inv_cdf(side)
    return NORMAL.cdf(bias + z / (1 - acceleration * z))
