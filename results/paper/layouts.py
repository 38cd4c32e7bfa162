"""Layouts: the paper's tables as it prints them: in which row and column each number stands.

A row of LAYOUTS says it of the numbers of results/published.csv, whose order is the paper's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from results.names import metric_label
from results.published_file import Row

TITLES = {
    "sop": "SOP",
    "cub": "CUB",
    "inshop": "In-Shop",
    "roxford": "ROxford",
    "rparis": "RParis",
}
COSTS = {"params_m": "params (M)", "gflops": "FLOPS (G)", "top1": "IN top-1"}


@dataclass(frozen=True)
class Place:
    """Where a number stands."""

    labels: tuple[str, ...]
    """Of its row."""
    header: str
    """Of its column."""
    over: str = ""
    """What stands above the header, which begins with it."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One table."""

    title: str
    labels: tuple[str, ...]
    """Headers of what names a row."""
    place: Callable[[Row], Place]


def _measured(number: Row, *labels: str) -> Place:
    """A column for each metric of each dataset."""
    title = TITLES[number["dataset"]]
    return Place(labels, f"{title} {metric_label(number['metric'])}", title)


def _model(number: Row) -> Place:
    return Place((number["backbone"],), COSTS[number["metric"]])


def _system(number: Row) -> Place:
    return _measured(number, number["method"], number["backbone"], number["dims"])


def _named(number: Row) -> Place:
    return _measured(number, number["row"])


def _objective(number: Row) -> Place:
    return Place((number["row"],), f"{number['backbone']} ({number['dims']})")


def _margin(number: Row) -> Place:
    """Margins are rows, lambdas columns; a half of the table for each network."""
    margin, weight = number["row"].split()
    backbone = number["backbone"]
    return Place((margin.removeprefix("β="),), f"{backbone} {weight}", backbone)


def _weight(number: Row) -> Place:
    return _measured(number, number["row"].removeprefix("λ="))


def _landmark_model(number: Row) -> Place:
    size, model, pool = number["row"].split()
    return _measured(number, size, model, pool, number["dims"])


def _landmark_system(number: Row) -> Place:
    facts = (number["backbone"], number["method"], number["dims"], number["gflops"])
    return _measured(number, *facts)


LAYOUTS: dict[str, Layout] = {
    "irt-table1": Layout(
        title="Table 1, networks at 224 pixels",
        labels=("model",),
        place=_model,
    ),
    "irt-table2": Layout(
        title="Table 2, Recall@K beside other systems",
        labels=("method", "backbone", "dims"),
        place=_system,
    ),
    "irt-table3": Layout(
        title="Table 3, components, DeiT-S, 384 dims",
        labels=("method",),
        place=_named,
    ),
    "irt-table4": Layout(
        title="Table 4, objectives, R@1 of SOP",
        labels=("loss",),
        place=_objective,
    ),
    "irt-table5": Layout(
        title="Table 5, margin β and weight λ of the entropy, R@1 of SOP",
        labels=("β",),
        place=_margin,
    ),
    "irt-table6": Layout(
        title="Table 6, weight λ of the entropy on landmarks, DeiT-S, 384 dims",
        labels=("λ",),
        place=_weight,
    ),
    "irt-table7": Layout(
        title="Table 7, networks and poolings on landmarks, fine-tuned alike",
        labels=("input", "model", "pool", "dims"),
        place=_landmark_model,
    ),
    "irt-table8": Layout(
        title="Table 8, landmarks beside other systems",
        labels=("model", "method", "dims", "FLOPS (G)"),
        place=_landmark_system,
    ),
    "irt-table9": Layout(
        title="Table 9, poolings, IRT_L, DeiT-S, 384 dims",
        labels=("pool",),
        place=_named,
    ),
}
