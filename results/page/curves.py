"""Curves: what the trainings behind a page's rows logged, thinned to what a plot can show."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from results.events import Events, events_path, read_events
from results.names import AXES, plain
from results.page.view import View
from results.store import read_reports

MOST_POINTS = 200
MOST_TRAININGS = 24
SERIES = {
    "loss": ("loss", "loss"),
    "positive_similarity": ("similarity", "positive pairs"),
    "negative_similarity": ("similarity", "negative pairs"),
    "effective_rank": ("effective rank", ""),
    "validation_r@1": ("validation R@1 (%)", ""),
    "test_r@1": ("R@1 of the evaluated images (%)", ""),
}
"""What is drawn of a step -> the plot that it is in, and what it is called there."""
OF_TRAININGS = tuple(
    axis for axis in AXES if axis not in ("dataset", "dims", "transform", "crop", "test_resolution")
)


def curves_of(view: View, runs: Path, room: int) -> dict[str, Any]:
    """Curves of each training that was logged, in the order of the rows, while there is room.

    room: bytes.
    """
    rows = _rows_of_trainings(view, runs)
    found: list[dict[str, Any]] = []
    for key, row in rows.items():
        drawn = _drawn(events_path(runs, key))
        if drawn is None:
            continue
        curve = {"key": key, "row": row["place"], "axes": row["axes"], **drawn}
        room -= len(json.dumps(curve))
        if room < 0 or len(found) == MOST_TRAININGS:
            break
        found.append(curve)
    _label(found)
    plots = list(dict.fromkeys(plot for plot, _ in SERIES.values()))
    return {"plots": plots, "trainings": found, "logged": len(rows)}


def _rows_of_trainings(view: View, runs: Path) -> dict[str, dict[str, Any]]:
    """Key of each model behind the rows -> the first row's place on the page, and its axes."""
    models = {report["key"]: _trained(report) for report in read_reports(runs)}
    found: dict[str, dict[str, Any]] = {}
    for place, row in enumerate(view.kept):
        for reports in view.rows[row].values():
            for report in reports.to_dict("records"):
                model = models.get(report["key"])
                axes = {axis: plain(report[axis]) for axis in OF_TRAININGS}
                if model is not None:
                    found.setdefault(model, {"place": place, "axes": axes})
    return {key: row for key, row in found.items() if events_path(runs, key).is_file()}


def _trained(report: Mapping[str, Any]) -> str | None:
    """Key of the model that a report's features are of."""
    extraction = report.get("spec", {}).get("extraction", {})
    model = extraction.get("model")
    return model if isinstance(model, str) else None


def _drawn(path: Path) -> dict[str, Any] | None:
    """Series of a training; None where nothing of it can be read."""
    try:
        events = read_events(path)
    except OSError:
        return None
    series = {name: thinned(_points(events, name)) for name in SERIES}
    shown = {
        name: {"plot": SERIES[name][0], "what": SERIES[name][1], "points": points}
        for name, points in series.items()
        if points
    }
    return {"series": list(shown.values()), "status": events.status} if shown else None


def _points(events: Events, name: str) -> list[tuple[float, float]]:
    scale = 100.0 if name.endswith("r@1") else 1.0
    pairs = ((step["step"], step.get(name, math.nan) * scale) for step in events.steps)
    return [(at, value) for at, value in pairs if math.isfinite(value)]


def thinned(
    points: Sequence[tuple[float, float]], most: int = MOST_POINTS
) -> list[tuple[float, float]]:
    """At most so many points: each the mean of as many that follow each other, but for the last."""
    size = math.ceil(len(points) / most)
    parts = [points[start : start + size] for start in range(0, len(points), max(1, size))]
    return [
        (part[-1][0], float(f"{sum(value for _, value in part) / len(part):.5g}")) for part in parts
    ]


def _told_apart(curves: Sequence[Mapping[str, Any]], axes: Sequence[str]) -> int:
    return len({tuple(curve["axes"][axis] for axis in axes) for curve in curves})


def _label(curves: list[dict[str, Any]]) -> None:
    """Call each by its backbone and the axes that it takes to tell all apart."""
    axes = ["backbone"]
    for axis in OF_TRAININGS:
        if _told_apart(curves, [*axes, axis]) > _told_apart(curves, axes):
            axes.append(axis)
    for curve in curves:
        values = curve.pop("axes")
        curve["label"] = ", ".join(
            values[axis] if axis in ("backbone", "loss") else f"{axis} {values[axis]}"
            for axis in axes
            if values[axis] != "-"
        )
