"""Estimates: effects in points, with intervals from the queries and spreads from the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from results.analysis import seeds
from results.analysis.axes import Axis
from results.analysis.design import Design, main_terms, make_design, pair_terms, tangled
from results.analysis.effects import Effect, Where, interactions, main_effects
from results.analysis.resampling import Units, bootstrap_each
from results.analysis.study import Study
from results.outcomes import Doubles
from results.significance import ALIKE
from results.stats.intervals import Interval

MISSING = "--"
DIGITS = 9
"""Of points: sums of the same numbers in another order are equal."""


@dataclass(frozen=True)
class Estimate:
    """An effect in points."""

    value: float
    spread: float | None
    """Standard deviation over seeds; None without several seeds that all cells have."""
    interval: Interval | None
    """How far other queries could have moved it; None without per-query outcomes."""

    @property
    def unclear(self) -> bool:
        """Whether it could be none: its interval holds 0, or it moves by as much over seeds."""
        if self.spread is not None and self.spread >= abs(self.value):
            return True
        return self.interval is not None and not self.interval.excludes(0.0)

    @property
    def text(self) -> str:
        """+1.2 ± 0.3 [+0.4, +2.1]."""
        spread = "" if self.spread is None else f" ± {self.spread:.1f}"
        sign = ALIKE if self.unclear else ""
        between = self.interval
        shown = f" [{points(between.low)}, {points(between.high)}]" if between else ""
        return f"{points(self.value)}{spread}{sign}{shown}"


@dataclass(frozen=True, eq=False)
class Analysis:
    """A study with its models."""

    study: Study
    main: Design
    """Effects of axes alone."""
    pairs: Design
    """With all two-way interactions."""
    effects: Mapping[Where, Effect]
    interactions: Mapping[Where, Effect]
    tangled: list[list[Axis]]
    """Groups of axes that the cells cannot tell apart."""

    def point(self, effect: Effect) -> float:
        """An effect in points."""
        return round(100 * float(effect.weights @ self.study.cell_values), DIGITS)

    def columns_of(self, group: Sequence[Axis]) -> Doubles:
        """(C, q) columns of the effects of some axes."""
        places = [self.study.axes.index(axis) for axis in group]
        return np.hstack([self.main.block((place,)) for place in places])

    def together(self) -> list[list[Axis]]:
        """All axes, those that cannot be told apart in one group."""
        grouped = [axis for group in self.tangled for axis in group]
        alone = [[axis] for axis in self.study.axes if axis not in grouped]
        return [*alone, *self.tangled]


def analyse(study: Study) -> Analysis:
    """Fit the models; the study has an axis that varies."""
    axes = study.axes
    main = make_design(axes, main_terms(axes))
    pairs = make_design(axes, [*main_terms(axes), *pair_terms(axes)])
    return Analysis(
        study=study,
        main=main,
        pairs=pairs,
        effects={effect.where: effect for effect in main_effects(axes, main)},
        interactions={effect.where: effect for effect in interactions(axes, pairs)},
        tangled=[[axes[number] for number in group] for group in tangled(main)],
    )


def estimates(
    analysis: Analysis, effects: Sequence[Effect], units: Units | str
) -> dict[Where, Estimate]:
    """Estimate effects of one study; units: its outcomes, or why there are none."""
    if not effects:
        return {}
    weights = np.stack([effect.weights for effect in effects])
    spreads = 100 * seeds.spreads(analysis.study, weights)
    intervals: Sequence[Interval | None] = [None] * len(effects)
    if isinstance(units, Units):
        intervals = bootstrap_each(100 * units.combined(weights), units.sizes)
    return {
        effect.where: Estimate(
            analysis.point(effect), None if np.isnan(spread) else float(spread), interval
        )
        for effect, spread, interval in zip(effects, spreads, intervals, strict=True)
    }


def points(value: float) -> str:
    """+1.2; no zero has a minus."""
    return f"{_rounded(value, 1):+.1f}"


def signed(difference: float, spread: float | None) -> str:
    """+1.23 ± 0.40: points of a single difference, and what they are over seeds."""
    difference = _rounded(difference, 2)
    return f"{difference:+.2f}" if spread is None else f"{difference:+.2f} ± {spread:.2f}"


def _rounded(value: float, digits: int) -> float:
    """A number as it is shown; no zero has a minus."""
    return round(value, digits) + 0.0
