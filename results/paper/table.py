"""Paper table: a table of the paper as it prints it, with our numbers and the differences below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results.beside import DELTA, UNLIKE
from results.cells import MISSING, Column
from results.notes import explained
from results.paper.layouts import LAYOUTS, Layout, Place
from results.paper.notes import OF_TWIN, notes_under
from results.paper.stand_ins import Found, StandIn, find_stand_ins
from results.published_file import Row, published_rows
from results.store import ResultsError, unknown
from results.table import Table

if TYPE_CHECKING:
    import pandas as pd

FROM = "from"
"""Header of what tells a row's lines apart."""
PRINTED, OURS = "paper", "ours"
THIS_PAPER = "arXiv 2102.05644"
NONE = "--"


@dataclass(frozen=True)
class Line:
    """One line: a row of the paper has up to three."""

    labels: tuple[str, ...]
    kind: str
    """PRINTED, OURS or DELTA."""
    texts: dict[str, str]
    """By header."""
    numbers: dict[str, float]
    marks: str = ""


def paper_table(frame: pd.DataFrame, name: str, gaps: Sequence[str] = ()) -> Table:
    """Put finished cells into a table of the paper, a row of LAYOUTS; gaps become notes.

    Below each row as printed stand ours, -- where nothing is finished, and ours less theirs. Rows
    of other systems stand alone where no cell of ours is their equivalent. Raises ResultsError for
    an unknown table, and where no cell is finished at all.
    """
    layout = layout_of(name)
    if frame.empty:
        raise ResultsError("there are no finished cells yet: bench run makes some")
    numbers = [number for number in published_rows() if number["table"] == name]
    places = [layout.place(number) for number in numbers]
    found = find_stand_ins(frame, numbers)
    columns = {place.header: place.over for place in places}
    rows: dict[tuple[str, ...], list[int]] = {}
    for number, place in enumerate(places):
        rows.setdefault(place.labels, []).append(number)
    lines = [line for row in rows.values() for line in _lines(row, places, numbers, found)]
    return Table(
        headers=[*layout.labels, FROM, *columns],
        body=[_body(line, list(columns)) for line in lines],
        numbers=_numbers(layout, lines, list(columns)),
        notes=notes_under(name, layout, found, _signs(rows, places, found), gaps),
        marks=[line.marks for line in lines],
        over=[*[""] * (len(layout.labels) + 1), *columns.values()],
    )


def layout_of(name: str) -> Layout:
    """Return a layout; raises ResultsError naming the nearest."""
    if name not in LAYOUTS:
        raise unknown("table of the paper", name, LAYOUTS)
    return LAYOUTS[name]


def _lines(
    row: Sequence[int], places: Sequence[Place], numbers: Sequence[Row], found: Found
) -> list[Line]:
    """The lines of one row of the paper, of the numbers that stand in it."""
    labels = places[row[0]].labels
    printed = {places[place].header: numbers[place]["value"] for place in row}
    lines = [Line(labels, PRINTED, printed, {name: float(text) for name, text in printed.items()})]
    mine = {
        places[place].header: found.stand_ins[place] for place in row if place in found.stand_ins
    }
    if mine or any(THIS_PAPER in numbers[place]["citation"] for place in row):
        lines.append(_ours(labels, mine))
    if mine:
        texts = {header: _delta(one) for header, one in mine.items()}
        lines.append(Line(labels, DELTA, texts, {name: one.delta for name, one in mine.items()}))
    return lines


def _signs(
    rows: Mapping[tuple[str, ...], Sequence[int]], places: Sequence[Place], found: Found
) -> list[str]:
    """Say what the signs of our cells stand for."""
    headers = list(dict.fromkeys(place.header for place in places))
    split = (header.rpartition(" ") for header in headers)
    columns = [Column(title, label, {}, "") for title, _, label in split]
    grid = []
    for row in rows.values():
        at = {places[place].header: place for place in row}
        cells = {header: found.stand_ins.get(place) for header, place in at.items()}
        grid.append([one.cell if (one := cells.get(header)) else MISSING for header in headers])
    return explained(columns, [" ".join(labels) for labels in rows], grid)


def _ours(labels: tuple[str, ...], mine: dict[str, StandIn]) -> Line:
    signs = {header: one.cell.signs + OF_TWIN * one.twin for header, one in mine.items()}
    values = {header: one.cell.value for header, one in mine.items()}
    spreads = {
        f"{header} std": one.cell.spread
        for header, one in mine.items()
        if one.cell.spread is not None
    }
    return Line(
        labels=labels,
        kind=OURS,
        texts={header: one.cell.text + OF_TWIN * one.twin for header, one in mine.items()},
        numbers=values | spreads,
        marks="; ".join(f"{header} {sign}" for header, sign in signs.items() if sign),
    )


def _delta(one: StandIn) -> str:
    return f"{one.delta:+z.1f}{UNLIKE if one.published.differences else ''}"


def _body(line: Line, columns: Sequence[str]) -> list[str]:
    """Labels stand on the first line of a row alone."""
    labels = line.labels if line.kind == PRINTED else ("",) * len(line.labels)
    return [*labels, line.kind, *(line.texts.get(header, NONE) for header in columns)]


def _numbers(layout: Layout, lines: Sequence[Line], columns: Sequence[str]) -> pd.DataFrame:
    """Every line with its labels; spreads of seeds in columns of their own, at the end."""
    import pandas as pd

    records: list[dict[str, Any]] = [
        {**dict(zip(layout.labels, line.labels, strict=True)), FROM: line.kind, **line.numbers}
        for line in lines
    ]
    spreads = {name: None for record in records for name in record if name.endswith(" std")}
    return pd.DataFrame(records, columns=[*layout.labels, FROM, *columns, *spreads])
