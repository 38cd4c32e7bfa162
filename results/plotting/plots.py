"""Plots for papers of finished cells and trainings: Pareto fronts, ablations, training curves.

Each takes reports (results.load) or events (results.events) and returns a figure, drawn by
matplotlib, that results.plotting.style.save writes. Without titles: captions are the paper's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from results.analysis.costs import find_cost
from results.analysis.fronts import front
from results.analysis.study import Study
from results.events import Events
from results.outcomes import Doubles
from results.plotting.points import Effect, effects_of, measured, running_mean
from results.plotting.style import (
    GREY,
    WIDTHS,
    Look,
    Scale,
    leave_out,
    legend_of,
    looks,
    panels,
    put_scale,
    styled,
)
from results.store import ResultsError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE_RANGE = 8.0
"""Costs that differ by more than this factor are drawn on a logarithmic axis."""
TRAINING = ("loss", "positive_similarity", "negative_similarity")
LETTERS = 8
"""Of a value's name, for each inch that a panel is wide."""
PARTS = 40
"""Of a training: over one of them goes the running mean of its curves."""


def pareto_figure(
    frame: pd.DataFrame,
    cost: str,
    metric: str,
    *,
    family: Callable[[str], str] = str,
    columns: int = 1,
) -> Figure:
    """Draw a metric against a cost, a panel for each dataset, with the front of its cells.

    cost: gmacs, params, bytes, dims … (results.analysis.costs); family: backbone -> what shares a
    colour and a shape. Raises ResultsError where the reports lack the cost or the metric.
    """
    studies, found = measured(frame, metric), find_cost(frame, cost)
    with styled():
        from matplotlib.ticker import MaxNLocator

        across = min(2 * columns - 1, len(studies))
        down = math.ceil(len(studies) / across)
        figure, grid = panels(columns, 0.5 + 1.9 * down, across=across, down=down)
        families = sorted({family(name) for name in frame["backbone"]})
        known = dict(zip(families, looks(len(families)), strict=True))
        for axes, study in zip(grid.flat, studies, strict=False):
            costs = found.scale * study.by_cell(study.frame[found.column].to_numpy(np.float64))
            groups = [family(name) for name in _backbones(study)]
            _front(axes, costs, 100 * study.cell_values)
            for name in dict.fromkeys(groups):
                chosen = np.array([group == name for group in groups])
                _dots(axes, costs[chosen], 100 * study.cell_values[chosen], name, known[name])
            wide = costs.max() > WIDE_RANGE * costs.min() > 0
            if wide:
                axes.set_xscale("log")
            else:
                axes.xaxis.set_major_locator(MaxNLocator(5))
            put_scale(axes, Scale(found.title), Scale(f"{study.header} (%)"))
        leave_out(grid, len(studies))
        legend_of(figure, grid.flat, columns)
    return figure


def curves_figure(
    trainings: Mapping[str, Events], values: Sequence[str] = TRAINING, *, columns: int = 1
) -> Figure:
    """Draw logged values against steps, a panel for each: thin as logged, bold their running mean.

    trainings: by what the legend calls them. Raises ResultsError for a value that none has logged.
    """
    for name in values:
        if not any(name in step for events in trainings.values() for step in events.steps):
            known = {key for one in trainings.values() for step in one.steps for key in step}
            given = ", ".join(sorted(known - {"step"})) or "nothing"
            raise ResultsError(f"no training has logged {name!r}: they have logged {given}")
    with styled():
        figure, grid = panels(columns, 0.4 + 1.2 * len(values), down=len(values))
        for axes, name in zip(grid[:, 0], values, strict=True):
            for (label, events), look in zip(trainings.items(), looks(len(trainings)), strict=True):
                _logged(axes, events, name, label, look)
            put_scale(axes, Scale("step"), Scale(fill(name.replace("_", " "), 12)))
            axes.label_outer()
        figure.align_ylabels()
        legend_of(figure, grid.flat, columns)
    return figure


def ablation_figure(
    frame: pd.DataFrame, metric: str, axes: Sequence[str] = (), *, columns: int = 1
) -> Figure:
    """Draw what each axis does, small multiples: a line of panels per axis, a column per dataset.

    A thin line joins cells that differ in that axis alone; the bold one is the mean of those that
    have every value. Without axes named: all that vary. Raises ResultsError where none does.
    """
    studies = measured(frame, metric)
    found = [{effect.axis: effect for effect in effects_of(study, axes)} for study in studies]
    names = list(dict.fromkeys(name for effects in found for name in effects))
    lengths = [max(len(each[name].names) for each in found if name in each) for name in names]
    with styled():
        height = 0.35 + sum(0.4 + 0.16 * length for length in lengths)
        grid_of = {"across": len(studies), "down": len(names)}
        figure, grid = panels(columns, height, **grid_of, ratios=lengths)
        for place, (study, effects) in enumerate(zip(studies, found, strict=True)):
            limits = _limits(list(effects.values()))
            for panel, name in zip(grid[:, place], names, strict=True):
                if name not in effects:
                    panel.remove()
                    continue
                _effect(panel, effects[name], longest=int(LETTERS * WIDTHS[columns] / len(studies)))
                last = name == list(effects)[-1]
                put_scale(panel, Scale(f"{study.header} (%)" if last else "", limits), Scale(""))
                panel.tick_params(labelbottom=last)
    return figure


def _logged(axes: Axes, events: Events, name: str, label: str, look: Look) -> None:
    steps = np.array([step["step"] for step in events.steps if name in step], dtype=np.float64)
    values = np.array([step[name] for step in events.steps if name in step], dtype=np.float64)
    if not len(steps):
        return
    smooth = running_mean(values, max(1, len(values) // PARTS))
    axes.plot(steps, values, color=look.colour, linewidth=0.5, alpha=0.3)
    axes.plot(steps, smooth, color=look.colour, linestyle=look.line, label=label)


def _effect(axes: Axes, effect: Effect, longest: int) -> None:
    """Values from the top down, the metric along: names are read without turning one's head."""
    places = np.arange(len(effect.names))
    for line in effect.lines:
        there = ~np.isnan(line)
        (thin,) = axes.plot(line[there], places[there], color=GREY, linewidth=0.6, alpha=0.7)
        thin.set(marker=".", markersize=2.5)
    axes.plot(effect.mean, places, color=looks(1)[0].colour, marker="o", linewidth=1.6)
    axes.set_yticks(places, [_shortened(name, longest) for name in effect.names])
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_title(effect.axis, loc="left", fontsize=7, fontstyle="italic", pad=2)


def _shortened(name: str, longest: int) -> str:
    """Leave out the middle: what tells names apart is often at their ends."""
    name = name.replace("contrastive", "contr.").replace("lambda=", "λ=").replace("beta=", "β=")
    if len(name) <= longest:
        return name
    half = (longest - 1) // 2
    return f"{name[: longest - 1 - half]}…{name[len(name) - half :]}"


def _limits(found: Sequence[Effect]) -> tuple[float, float]:
    values = np.concatenate([effect.lines.ravel() for effect in found])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.06 * max(high - low, 1.0)
    return low - margin, high + margin


def _backbones(study: Study) -> list[str]:
    return [str(study.reports(cell)["backbone"].iloc[0]) for cell in range(study.n_cells)]


def _front(axes: Axes, costs: Doubles, values: Doubles) -> None:
    """A step to each cell of the front: what the cheaper ones reach."""
    chosen = front(costs, values)
    order = np.argsort(costs[chosen])
    steps = costs[chosen][order], values[chosen][order]
    axes.plot(*steps, color=GREY, linewidth=0.9, drawstyle="steps-post", zorder=1, label="front")


def _dots(axes: Axes, costs: Doubles, values: Doubles, label: str, look: Look) -> None:
    axes.scatter(
        costs,
        values,
        color=look.colour,
        marker=look.marker,
        s=18,
        linewidths=0,
        label=label,
        zorder=2,
    )
