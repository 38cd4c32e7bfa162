"""Table: a row per convention, a column per metric, and how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import pandas as pd

from bench.delta.conventions import Convention
from bench.delta.measure import Metric, is_ours
from results.notes import TWINS
from results.table import Table

SPREAD = "spread"
SAME = 1e-12
"""Means this near are sums of the same numbers."""
FAMILIES = {"r@": "R@", "map@r": "MAP@R", "map": "mAP", "mp@": "mP@"}
SETUPS = {"": "", "easy": " E", "medium": " M", "hard": " H"}

Scored = Mapping[str, float]
"""Metric -> fraction; those that a convention does not touch are not in it."""


@dataclass(frozen=True)
class Line:
    """One convention's outcome."""

    convention: Convention
    scored: Scored | None
    """None: not there."""
    why: str = ""
    """Why it is not there."""


def make_delta_table(
    lines: Sequence[Line], metrics: Sequence[Metric], notes: Sequence[str], *, twin: bool
) -> Table:
    """Per cent, and differences to ours in points; the last row is largest minus smallest."""
    (ours,) = (line.scored for line in lines if is_ours(line.convention))
    assert ours is not None
    names = [metric.name for metric in metrics]
    headers = ["convention", *(header(metric) for metric in metrics), "who"]
    body = [
        [line.convention.name, *(_cell(line, ours, name) for name in names), line.convention.who]
        for line in lines
    ]
    spreads = [
        spread([line.scored.get(name, nan) for line in lines if line.scored]) for name in names
    ]
    body.append([SPREAD, *(_shown(value) for value in spreads), "largest - smallest, in points"])
    return Table(
        headers=headers,
        body=body,
        numbers=_numbers(lines, metrics, ours, spreads),
        notes=_notes(lines, notes, twin=twin),
        marks=[line.why for line in lines] + [""],
    )


def header(metric: Metric) -> str:
    """r@10 -> R@10, map_hard -> mAP H."""
    return f"{FAMILIES[metric.family]}{metric.k or ''}{SETUPS[metric.setup]}"


def spread(values: Sequence[float]) -> float:
    """Largest minus smallest of what is there."""
    there = [value for value in values if not isnan(value)]
    return max(there) - min(there) if there else nan


def _cell(line: Line, ours: Scored, name: str) -> str:
    """52.81 (+0.12); = where it is the same; - where the convention does not touch it."""
    if line.scored is None:
        return "--"
    if name not in line.scored:
        return "-"
    value, difference = line.scored[name], line.scored[name] - ours[name]
    if isnan(value) or is_ours(line.convention):
        return _shown(value)
    if isnan(difference):
        return f"{_shown(value)} (new)"
    return f"{_shown(value)} ({'=' if abs(difference) < SAME else f'{100 * difference:+.2f}'})"


def _shown(value: float) -> str:
    return "--" if isnan(value) else f"{100 * value:.2f}"


def _numbers(
    lines: Sequence[Line], metrics: Sequence[Metric], ours: Scored, spreads: Sequence[float]
) -> pd.DataFrame:
    """Unrounded; what a convention does not touch is as ours, what is not there is empty."""
    rows = []
    for line in lines:
        values = [_number(line, ours, metric.name) for metric in metrics]
        differences = [
            value - 100 * ours[metric.name] for value, metric in zip(values, metrics, strict=True)
        ]
        rows.append([line.convention.name, *values, *differences, line.convention.who])
    rows.append([SPREAD, *(100 * value for value in spreads), *(nan for _ in metrics), ""])
    titles = [header(metric) for metric in metrics]
    columns = ["convention", *titles, *(f"{title} - ours" for title in titles), "who"]
    return pd.DataFrame(rows, columns=columns)


def _number(line: Line, ours: Scored, name: str) -> float:
    return nan if line.scored is None else 100 * line.scored.get(name, ours[name])


def _notes(lines: Sequence[Line], notes: Sequence[str], *, twin: bool) -> list[str]:
    """What was scored, what each convention does, what is missing."""
    explained = [f"{line.convention.name}: {line.convention.meaning}" for line in lines]
    missing = [f"-- {line.convention.name}: {line.why}" for line in lines if line.scored is None]
    legend = "metrics in %, (difference to ours in points); = the same, - not touched, -- not there"
    return [legend, *([TWINS] if twin else []), *notes, *explained, *missing]
