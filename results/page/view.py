"""View: the table as every other format has it, each number with the reports behind it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from results.cells import MARKS
from results.chosen import newest
from results.names import AXES, is_metric, metric_label, plain, told_apart
from results.notes import interval_note
from results.signatures import SIGN
from results.tables import COSTS, Extras, make_table

if TYPE_CHECKING:
    import pandas as pd

    from results.table import Table

MOST_ROWS = 1000
MOST_NUMBERS = 4000
"""Beyond which only the metrics that datasets are quoted by are shown."""
BEFORE_A_NAME = re.compile(r"^(timm:|tf_|tiny_)+")
FAMILY = re.compile(r"[A-Za-z]+?(?:v\d+)?(?=[\d_\W]|$)")
LATENCY = "latency"
"""What columns of measured times, where there are any, have in their name."""


class Cost(NamedTuple):
    """What a plot can have along its horizontal axis."""

    column: str
    label: str
    scale: float = 1.0


@dataclass(frozen=True)
class Metric:
    """What a column of numbers shows."""

    dataset: str
    name: str
    headline: bool
    """Whether its dataset is quoted by it."""


@dataclass(frozen=True, eq=False)
class View:
    """What the page shows."""

    table: Table
    ends: pd.DataFrame
    """Ends of intervals: METRIC's header with low and high, rows as in the table."""
    titles: dict[str, str]
    """Dataset -> what headers call it."""
    metrics: list[Metric | None]
    """Of each column; None of axes and costs."""
    rows: list[dict[str, pd.DataFrame]]
    """Of each row: dataset -> its reports, seeds of one cell."""
    kept: list[int]
    """Rows that are shown."""
    notes: list[str]

    @property
    def axes(self) -> list[str]:
        """The row axes."""
        return [header for header in self.table.headers if header in AXES]

    def headline(self, dataset: str) -> str:
        """The metric that a dataset is quoted by, the first where they are two."""
        return next(one.name for one in self.metrics if one and one.dataset == dataset)

    def content(self) -> dict[str, Any]:
        """Everything as JSON; datasets by their number, rows by their place."""
        datasets = list(self.titles)
        costs = _costs(self.rows)
        return {
            "datasets": [
                {"title": self.titles[name], "metric": self.headline(name)} for name in datasets
            ],
            "columns": [self._column(place, datasets) for place in range(len(self.metrics))],
            "costs": [cost.label for cost in costs],
            "rows": [self._row(row, datasets, costs) for row in self.kept],
            "notes": self.notes,
            "signs": dict(MARKS.values())
            | {SIGN: "measured under another protocol than the rest of its column"},
        }

    def _column(self, place: int, datasets: Sequence[str]) -> dict[str, Any]:
        metric = self.metrics[place]
        if metric is None:
            header = self.table.headers[place]
            return {"kind": "axis" if header in AXES else "cost", "label": header}
        return {
            "kind": "metric",
            "label": metric_label(metric.name),
            "dataset": datasets.index(metric.dataset),
            "metric": metric.name,
            "headline": metric.headline,
        }

    def _row(self, row: int, datasets: Sequence[str], costs: Sequence[Cost]) -> dict[str, Any]:
        shown = self.table.body[row]
        backbone = shown[self.axes.index("backbone")] if "backbone" in self.axes else ""
        return {
            "cells": [self._cell(row, place) for place in range(len(shown))],
            "family": family_of(backbone),
            "of": {
                datasets.index(dataset): {
                    "keys": reports["key"].tolist(),
                    "costs": [_value(reports, cost) for cost in costs],
                }
                for dataset, reports in self.rows[row].items()
            },
        }

    def _cell(self, row: int, place: int) -> list[Any]:
        """Text; and of numbers their value, emphasis and interval, nothing where there is none."""
        text, header = self.table.body[row][place], self.table.headers[place]
        if header in AXES:
            return [text]
        value = _number(self.table.numbers[header].iloc[row])
        ends = [
            _number(self.ends[f"{header} {end}"].iloc[row])
            for end in ("low", "high")
            if f"{header} {end}" in self.ends
        ]
        return [text, value, self.table.emphasis_of(row, place), *ends]


def view_of(frame: pd.DataFrame) -> View:
    """Gather the table; raises ResultsError where there is no report."""
    known = sorted(filter(is_metric, frame.columns), key=_natural)
    few = len(frame) * len(known) <= MOST_NUMBERS
    table = make_table(frame, metrics=_quoted_first(frame, known) if few else ())
    ends = make_table(frame, extras=Extras(intervals="bootstrap")).numbers
    frame = newest(told_apart(frame))
    titles = dict(zip(frame["dataset"], frame["dataset_title"], strict=True))
    metrics = _metrics(table, frame, titles, known)
    axes = [header for header in table.headers if header in AXES]
    rows = _rows(table, frame, axes)
    kept = _kept(table, metrics)
    notes = [*table.notes, interval_note("bootstrap")]
    if len(kept) < len(rows):
        notes.append(f"{len(kept)} of {len(rows)} rows are shown: the best by the first metric")
    return View(table, ends, titles, metrics, rows, kept, notes)


def family_of(backbone: str) -> str:
    """The beginning of a backbone's name, without its size: resnet of resnet50, dinov2, deit."""
    name = BEFORE_A_NAME.sub("", backbone)
    found = FAMILY.match(name)
    return found[0] if found else name


def _natural(name: str) -> list[tuple[int, str]]:
    """r@2 before r@10."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", name)]


def _quoted_first(frame: pd.DataFrame, known: Sequence[str]) -> list[str]:
    if frame.empty:
        return []
    quoted = dict.fromkeys(name for names in frame["headline"] for name in names)
    return [*(name for name in quoted if name in known), *(n for n in known if n not in quoted)]


def _metrics(
    table: Table, frame: pd.DataFrame, titles: Mapping[str, str], known: Sequence[str]
) -> list[Metric | None]:
    """What each column shows: titles and labels name one dataset and one metric."""
    names = {metric_label(name): name for name in known}
    datasets = {title: dataset for dataset, title in titles.items()}
    quoted = frame.drop_duplicates("dataset").set_index("dataset")["headline"]
    found: list[Metric | None] = []
    for place, title in enumerate(table.over):
        if not title:
            found.append(None)
            continue
        dataset, name = datasets[title], names[table.label(place)]
        found.append(Metric(dataset, name, name in quoted[dataset]))
    return found


def _rows(table: Table, frame: pd.DataFrame, axes: list[str]) -> list[dict[str, pd.DataFrame]]:
    """The reports of each row, by dataset."""
    places = {tuple(shown[: len(axes)]): row for row, shown in enumerate(table.body)}
    rows: list[dict[str, pd.DataFrame]] = [{} for _ in table.body]
    for values, group in frame.groupby([*axes, "dataset"], sort=False, dropna=False):
        *shown, dataset = values
        rows[places[tuple(map(plain, shown))]][str(dataset)] = group
    return rows


def _kept(table: Table, metrics: Sequence[Metric | None]) -> list[int]:
    first = next(place for place, metric in enumerate(metrics) if metric)
    values = table.numbers[table.headers[first]].fillna(-math.inf)
    best = values.sort_values(ascending=False, kind="stable").index[:MOST_ROWS]
    return [int(row) for row in best]


def _costs(rows: Sequence[Mapping[str, pd.DataFrame]]) -> list[Cost]:
    columns = dict.fromkeys(
        str(name) for row in rows for reports in row.values() for name in reports.columns
    )
    found = [Cost(name, label, scale) for name, (label, scale, _) in COSTS.items()]
    times = (name for name in columns if LATENCY in name and "." not in name)
    return [*found, Cost("dims", "dims"), *(Cost(name, name.replace("_", " ")) for name in times)]


def _value(reports: pd.DataFrame, cost: Cost) -> float | None:
    """A cost of a cell, the same for all its seeds; None where it is no number."""
    try:
        return _number(float(reports[cost.column].iloc[0]) * cost.scale)
    except (TypeError, ValueError):
        return None


def _number(value: float) -> float | None:
    """Rounded to six significant digits; JSON has no NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
