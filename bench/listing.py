"""bench list and bench status, as tables in the terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from bench.status import STATES, CellState
from registry.axes import AXES, FIELD, axis_row
from registry.axes import SHORT as SHORT_AXES
from registry.backbones import BACKBONES
from registry.datasets import DATASETS, GROUPS
from registry.errors import UsageError
from registry.losses import LOSSES
from registry.losses.pml import PREFIX
from registry.poolings import POOLINGS
from registry.presets import PRESETS
from registry.projections import PROJECTIONS
from registry.recipe import settings
from registry.recipes import FIELDS, RECIPES, field_text
from registry.table import unknown
from registry.weights import KINDS
from results.render import terminal

SHORT = 24
"""Columns whose cells are no longer are never wrapped."""


def show_axes() -> None:
    """Print every axis with its meaning and known values, then the presets."""
    print_table(
        ["axis", "meaning", "values"],
        [[axis.name, axis.meaning, ", ".join(axis.known)] for axis in AXES.values()],
    )
    print_table(
        ["preset", "meaning", "matrix"],
        [[row.name, row.meaning, " ".join(row.matrix)] for row in PRESETS.values()],
    )


def show_axis(name: str) -> None:
    """Print the rows of one axis; raises UsageError for an unknown one."""
    if name == "preset":
        rows = [[row.name, row.meaning, " ".join(row.matrix)] for row in PRESETS.values()]
        print_table(["preset", "meaning", "matrix"], rows)
        return print_table(*_gaps())
    if SHORT_AXES.get(name, name).startswith(FIELD):
        return print_table(*_field(axis_row(name).name))
    if name not in AXES:
        raise UsageError(unknown("axis", name, [*AXES, *SHORT_AXES, "preset"]))
    headers, rows = _FACTS[name]() if name in _FACTS else _values(name)
    print_table(headers, rows)
    if name in _MORE:
        print_table(*_MORE[name]())
    return None


def _values(name: str) -> tuple[list[str], list[list[str]]]:
    axis = AXES[name]
    return [name, "meaning"], [[value, axis.meaning] for value in axis.known]


def _backbones() -> tuple[list[str], list[list[str]]]:
    headers = ["backbone", "family", "params (M)", "GMACs", "at", "width", "stride", "pooling"]
    rows = [
        [
            row.name,
            row.family,
            f"{row.mparams:.1f}",
            f"{row.gmacs:.2f}",
            str(row.input_size),
            str(row.width),
            str(row.stride),
            row.pooling,
            row.licence,
            row.timm,
        ]
        for row in BACKBONES.values()
    ]
    return [*headers, "licence", "timm"], rows


def _datasets() -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            row.name,
            row.title,
            str(row.train_images),
            str(row.evaluated_images),
            "R@" + ",".join(map(str, row.ks)) if row.ks else "mAP E/M/H",
            row.transform,
        ]
        for row in DATASETS.values()
    ]
    rows += [[name, f"all of {', '.join(names)}", "", "", "", ""] for name, names in GROUPS.items()]
    rows.append(
        ["folder:PATH", "your images, a sub-folder per class", "", "", "R@K", "short_center"]
    )
    return ["dataset", "title", "train", "evaluated", "measure", "transform"], rows


def _losses() -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            row.name,
            row.meaning,
            ", ".join(f"{name}={value:g}" for name, value in row.parameters),
            f"retrieval-bench[{row.extra}]" if row.extra else "",
            row.source,
        ]
        for row in LOSSES.values()
    ]
    about = "any loss of pytorch-metric-learning, by the name of its class"
    rows.append(
        [f"{PREFIX}NAME", about, "its numbers", "retrieval-bench[pml]", "its documentation"]
    )
    return ["loss", "meaning", "parameters", "needs", "source"], rows


def _recipes() -> tuple[list[str], list[list[str]]]:
    """Fields as they are typed; those that change nothing are left out."""
    rows = [
        [
            row.name,
            row.meaning,
            ", ".join(
                f"{field}={field_text(row, field)}" for field in FIELDS if field in settings(row)
            ),
        ]
        for row in RECIPES.values()
    ]
    return ["recipe", "meaning", "fields"], rows


def _field(axis: str) -> tuple[list[str], list[list[str]]]:
    """A field of every recipe, and why it is so where its source leaves it open."""
    field = axis.removeprefix(FIELD)
    rows = [
        [row.name, field_text(row, field), dict(row.reasons).get(field, "")]
        for row in RECIPES.values()
    ]
    return ["recipe", field, "because"], rows


def _reasons() -> tuple[list[str], list[list[str]]]:
    rows = [
        [row.name, field, field_text(row, field), reason]
        for row in RECIPES.values()
        for field, reason in row.reasons
    ]
    return ["recipe", "left open by its source", "value", "reason"], rows


def _gaps() -> tuple[list[str], list[list[str]]]:
    rows = [[row.name, gap] for row in PRESETS.values() for gap in row.gaps]
    return ["preset", "not as in the paper, or not known to be"], rows


def _poolings() -> tuple[list[str], list[list[str]]]:
    rows = [[row.name, row.meaning, " + ".join(row.needs).upper()] for row in POOLINGS.values()]
    return ["pooling", "meaning", "reads tokens"], rows


def _meanings(name: str, meanings: Iterable[tuple[str, str]]) -> tuple[list[str], list[list[str]]]:
    return [name, "meaning"], [list(pair) for pair in meanings]


_FACTS: dict[str, Callable[[], tuple[list[str], list[list[str]]]]] = {
    "backbone": _backbones,
    "dataset": _datasets,
    "loss": _losses,
    "pooling": _poolings,
    "projection": lambda: _meanings(
        "projection", ((row.name, row.meaning) for row in PROJECTIONS.values())
    ),
    "recipe": _recipes,
    "weights": lambda: _meanings("weights", KINDS.items()),
}


_MORE = {"recipe": _reasons}
"""A second table."""


def print_states(cells: Sequence[CellState]) -> None:
    """Print every cell's state as JSON, one object each."""
    print(json.dumps([asdict(cell) for cell in cells], indent=1))


def show_states(cells: Sequence[CellState], runs: Path) -> None:
    """Print every cell's state and key, then how many there are of each state."""
    if not cells:
        raise UsageError(f"no cell was ever asked for in {runs}: bench run, or another --runs")
    rows = [[cell.key, cell.label, cell.state, cell.detail] for cell in cells]
    print_table(["key", "cell", "state", ""], rows)
    counts = Counter(cell.state for cell in cells)
    terminal().print(", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headers; short columns are never wrapped."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header, column in zip(headers, zip(*rows, strict=True), strict=True):
        short = max(map(len, column)) <= SHORT
        table.add_column(header, overflow="fold", no_wrap=short)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    terminal().print(table)
