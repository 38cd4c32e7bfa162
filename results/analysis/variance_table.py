"""The table of variance: which axis explains how much, dataset by dataset."""

from __future__ import annotations

import re
from collections.abc import Sequence

from results.analysis import remarks, seeds
from results.analysis.estimates import MISSING, Analysis
from results.analysis.variance import decompose
from results.names import AXES
from results.table import Emphasis, Table

PAIRS, REST, SEEDS = "two-way interactions", "rest", "seeds"
SPREAD, CELLS, FREE = "± between seeds (points)", "cells", "residual d.f."
BELOW = (PAIRS, REST, SEEDS, SPREAD, CELLS, FREE)
Column = dict[str, float]
"""A study's numbers by row: shares in per cent, points, counts."""


def variance_table(analyses: Sequence[Analysis], context: Sequence[str]) -> Table:
    """Shares of each study's variance in per cent, then what they are of."""
    import pandas as pd

    columns = [_column(analysis) for analysis in analyses]
    names = list(dict.fromkeys(name for column in columns for name in column))
    axes = sorted((name for name in names if name not in BELOW), key=_place)
    rows = [*axes, *(name for name in BELOW if name in names)]
    grid = [[column.get(name) for column in columns] for name in rows]
    headers = ["share of variance, %", *(analysis.study.header for analysis in analyses)]
    return Table(
        headers=headers,
        body=[
            [name, *(_text(name, value) for value in row)]
            for name, row in zip(rows, grid, strict=True)
        ],
        numbers=pd.DataFrame(
            [[name, *row] for name, row in zip(rows, grid, strict=True)], columns=headers
        ),
        notes=[
            remarks.VARIANCE,
            *remarks.saturated(analyses),
            *remarks.inseparable(analyses),
            *context,
        ],
        marks=[""] * len(rows),
        over=["", *(analysis.study.title for analysis in analyses)],
        emphasis=_emphasis(axes, rows, grid),
    )


def _column(analysis: Analysis) -> Column:
    study = analysis.study
    players = analysis.together()
    found = decompose(
        [analysis.columns_of(group) for group in players],
        analysis.pairs.columns[:, 1:],
        study.cell_values,
        seeds.within(study),
    )
    spread = 100 * seeds.residual(study)
    column: Column = {CELLS: study.n_cells, FREE: study.n_cells - analysis.main.rank}
    column |= {SPREAD: spread} if spread == spread else {}
    if found is None:
        return column
    for group, share in zip(players, found.axes, strict=True):
        column[", ".join(axis.name for axis in group)] = 100 * share
    column |= {PAIRS: 100 * found.pairs} if len(study.axes) > 1 else {}
    column |= {REST: 100 * found.rest} if analysis.pairs.rank < study.n_cells else {}
    column |= {SEEDS: 100 * found.seeds} if SPREAD in column else {}
    return column


def _text(name: str, value: float | None) -> str:
    if value is None:
        return MISSING
    return str(int(value)) if name in (CELLS, FREE) else f"{abs(round(value, 1)):.1f}"


def _emphasis(
    axes: Sequence[str], rows: Sequence[str], grid: Sequence[Sequence[float | None]]
) -> list[list[Emphasis]]:
    """Of each study the axis that explains most."""
    of_axes = [row for name, row in zip(rows, grid, strict=True) if name in axes]
    most = [
        max((v for v in column if v is not None), default=None)
        for column in zip(*of_axes, strict=True)
    ]
    found: list[list[Emphasis]] = []
    for name, row in zip(rows, grid, strict=True):
        marked: list[Emphasis] = [""]
        for place, value in enumerate(row):
            best = name in axes and value is not None and value == most[place]
            marked.append("best" if best else "")
        found.append(marked)
    return found


def _place(name: str) -> int:
    return AXES.index(re.split("[+,]", name)[0])
