"""Spread of the contrastive loss's gradients over a training: gamma, the paper's figure 4."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.figures.content import Content, notes_of, signs_of, titles
from bench.figures.stored import Folders
from bench.figures.variants import Report, Variant, objective_of, variants
from registry.errors import WorkError
from results.events import events_path, read_events
from results.plotting.curves import Curve, lines_figure
from results.plotting.style import Scale
from results.store import ResultsError
from results.table import Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LOGGED = "gradient_nuclear_norm"
"""What bench.train.looks logs in each step."""


def mean_nuclear_norm(report: Report, folders: Folders) -> tuple[float, int]:
    """Average the nuclear norm of the gradients' covariance over all steps of a training.

    Returns it with the number of steps. Raises WorkError where no step has one.
    """
    path = events_path(folders.runs, folders.model_key(report))
    try:
        steps = read_events(path).steps
    except FileNotFoundError:
        steps = []
    values = [step[LOGGED] for step in steps if math.isfinite(step.get(LOGGED, math.nan))]
    if not values:
        raise WorkError(
            f"the training of report {report['key']} logged no {LOGGED} in {path}: it is older "
            f"than this figure, or its log is gone; train it again: "
            f"{folders.run_line(report, '--force')}"
        )
    return math.fsum(values) / len(values), len(values)


@dataclass(frozen=True)
class Point:
    """One variant at one margin, over its seeds."""

    beta: float
    gamma: float
    spread: float
    """Standard deviation over seeds; 0 of one."""
    steps: int


Line = tuple[Variant, list[Point]]


def gradient_content(reports: Sequence[Report], frame: pd.DataFrame, folders: Folders) -> Content:
    """Tell how much the gradients of each margin and lambda differ within a batch."""
    import pandas as pd

    trained = [report for report in reports if objective_of(report["job"]["loss"]) is not None]
    if not trained:
        raise ResultsError(
            "no finished cell is trained with the contrastive loss: run loss=contrastive(beta=…)"
        )
    shown = variants(trained, beta_along=True)
    lines = [(variant, _points(variant, folders)) for variant in shown]
    steps = sorted({point.steps for _, found in lines for point in found})
    said = f"{steps[0]:,}" + (f" to {steps[-1]:,}" if len(steps) > 1 else "")
    note = (
        "γ: nuclear norm of the covariance of the gradients of the contrastive term by a batch's "
        f"unit descriptors, as they are (no unit vectors), averaged over {said} steps; of several "
        "seeds, mean ± standard deviation"
    )
    points = pd.DataFrame(
        [{"variant": variant.label, **vars(point)} for variant, found in lines for point in found]
    )
    table = _table(lines, notes_of(frame, [note]))
    return Content(table, points, partial(_draw, lines, titles(frame)))


def _points(variant: Variant, folders: Folders) -> list[Point]:
    found: dict[float, list[tuple[float, int]]] = {}
    for report in variant.reports:
        objective = objective_of(report["job"]["loss"])
        assert objective is not None
        found.setdefault(objective.beta, []).append(mean_nuclear_norm(report, folders))
    return [
        Point(
            beta,
            gamma=float(np.mean([value for value, _ in seeds])),
            spread=float(np.std([value for value, _ in seeds], ddof=1)) if len(seeds) > 1 else 0.0,
            steps=min(steps for _, steps in seeds),
        )
        for beta, seeds in sorted(found.items())
    ]


def _table(lines: Sequence[Line], notes: list[str]) -> Table:
    """A row per variant, a column per margin."""
    import pandas as pd

    betas = sorted({point.beta for _, points in lines for point in points})
    headers = ["variant", *(f"γ at β={beta:g}" for beta in betas)]
    body, numbers = [], []
    for variant, points in lines:
        known = {point.beta: point for point in points}
        cells = [known.get(beta) for beta in betas]
        body.append([variant.label + signs_of(variant), *map(_text, cells)])
        numbers.append([variant.label, *(cell.gamma if cell else np.nan for cell in cells)])
    return Table(
        headers,
        body,
        pd.DataFrame(numbers, columns=headers),
        notes,
        marks=[signs_of(variant) for variant, _ in lines],
        over=["", *["γ at"] * len(betas)],
    )


def _text(point: Point | None) -> str:
    if point is None:
        return "--"
    return f"{point.gamma:.2e}" + (f" ± {point.spread:.0e}" if point.spread else "")


def _draw(lines: Sequence[Line], title: str) -> Figure:
    largest = max(point.gamma for _, points in lines for point in points)
    power = math.floor(math.log10(largest)) if largest > 0 else 0
    curves = [_curve(variant.label, points, 10.0**power) for variant, points in lines]
    unit = rf"  ($10^{{{power}}}$)" if power else ""
    y = Scale(r"$\|\mathrm{Cov}(\nabla_{z}\,L_\mathrm{contr})\|_*$" + unit)
    return lines_figure(curves, Scale(f"negative margin β ({title})"), y)


def _curve(label: str, points: Sequence[Point], unit: float) -> Curve:
    betas, gammas, spreads = (
        np.array([getattr(point, name) for point in points], dtype=np.float64)
        for name in ("beta", "gamma", "spread")
    )
    return Curve(label, betas, gammas / unit, spreads / unit if spreads.any() else None)
