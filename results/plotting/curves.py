"""Paper plots: lines and histograms from arrays, for figures that a paper has.

results.plotting.style.save writes what they return. Without titles: captions are the paper's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from results.outcomes import Doubles
from results.plotting.style import (
    Look,
    Scale,
    leave_out,
    legend_of,
    looks,
    panels,
    put_scale,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 16
"""Points of a curve that are all marked; of a longer one, eight."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A line of a figure, (P,) points; spread is the half length of error bars."""

    label: str
    x: Doubles
    y: Doubles
    spread: Doubles | None = None


@dataclass(frozen=True, eq=False)
class Histogram:
    """Shares of positive and of negative pairs in the bins between (B + 1,) edges, (B,) each."""

    label: str
    edges: Doubles
    positive: Doubles
    negative: Doubles


def lines_figure(curves: Sequence[Curve], x: Scale, y: Scale, *, columns: int = 1) -> Figure:
    """Draw curves over one pair of axes; of long ones some points are marked."""
    with styled():
        figure, ((axes,),) = panels(columns, 2.3)
        for place, (curve, look) in enumerate(zip(curves, looks(len(curves)), strict=True)):
            _line(axes, curve, look, place / max(1, len(curves)), log2=x.log2)
        put_scale(axes, x, y)
        legend_of(figure, [axes], columns)
    return figure


def histograms_figure(
    histograms: Sequence[Histogram], x: Scale, y: Scale, *, columns: int = 2
) -> Figure:
    """Draw positive and negative pairs, a panel for each histogram, all on one scale."""
    with styled():
        across = min(3, len(histograms))
        down = math.ceil(len(histograms) / across)
        figure, grid = panels(columns, 0.3 + 1.5 * down, across=across, down=down)
        tallest = max(max(one.positive.max(), one.negative.max()) for one in histograms)
        limits = y.limits or (0.0, 112 * float(tallest))
        for axes, one in zip(grid.flat, histograms, strict=False):
            _pairs(axes, one)
            put_scale(axes, x, Scale(y.label, limits))
            axes.label_outer()
        leave_out(grid, len(histograms))
        legend_of(figure, grid.flat[:1], columns)
    return figure


def _line(axes: Axes, curve: Curve, look: Look, phase: float, *, log2: bool) -> None:
    """Markers of a long curve are apart, and not where another's are: none hides another."""
    kept = curve.x > 0 if log2 else np.ones(len(curve.x), dtype=bool)
    spaced = None if kept.sum() <= FEW else (phase / 8, 1 / 8)
    axes.plot(
        curve.x[kept],
        curve.y[kept],
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        markevery=spaced,
        label=curve.label,
    )
    if curve.spread is not None:
        x, y, spread = (part[kept] for part in (curve.x, curve.y, curve.spread))
        axes.errorbar(x, y, spread, color=look.colour, elinewidth=0.8, capsize=2, linestyle="none")


def _pairs(axes: Axes, one: Histogram) -> None:
    """Hatched negatives, plain positives: told apart without colour."""
    positive, negative = looks(2)
    kinds = (
        ("positive pairs", one.positive, positive, None),
        ("negative pairs", one.negative, negative, "/////"),
    )
    for label, heights, look, hatch in kinds:
        axes.stairs(
            100 * heights,
            one.edges,
            fill=True,
            facecolor=(look.colour, 0.25),
            edgecolor=look.colour,
            linewidth=0.9,
            hatch=hatch,
            label=label,
        )
    axes.text(0.02, 0.97, one.label, transform=axes.transAxes, va="top", fontsize=7)
