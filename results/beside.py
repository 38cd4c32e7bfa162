"""Beside: published numbers in a table of ours, with the difference, or with what forbids it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from results.cells import Cell, Column
from results.names import metric_label
from results.published import Published, competitors, published_for
from results.published_file import NOTES
from results.signatures import MixedProtocolsError
from results.table import Emphasis, Table

if TYPE_CHECKING:
    import pandas as pd

UNLIKE = "≠"
DELTA = "Δ"
SYSTEMS = "published systems, each by its own protocol"
NO_NUMBER = float("nan")


@dataclass(frozen=True)
class Beside:
    """What is published of one cell."""

    header: str
    row: str
    cell: Cell
    published: Published

    @property
    def delta(self) -> float:
        """Ours less theirs, in points."""
        return self.cell.value - self.published.value

    @property
    def text(self) -> str:
        """The difference, marked where the two were not measured alike."""
        return f"{self.delta:+.1f}{UNLIKE if self.published.differences else ''}"


def published_beside(
    columns: Sequence[Column],
    names: Sequence[str],
    reports: Sequence[Sequence[pd.DataFrame]],
    grid: Sequence[Sequence[Cell]],
) -> list[list[Beside | None]]:
    """Find the published number of each cell, the nearest to its protocol; None without one.

    names: of the rows; reports and grid: row by row, column by column.
    """
    found: list[list[Beside | None]] = []
    for name, groups, cells in zip(names, reports, grid, strict=True):
        row: list[Beside | None] = []
        for column, group, cell in zip(columns, groups, cells, strict=True):
            known = [] if group.empty else published_for(group, column.metric)
            row.append(Beside(column.header, name, cell, known[0]) if known else None)
        found.append(row)
    return found


def with_published(table: Table, found: Sequence[Sequence[Beside | None]], first: int) -> Table:
    """Put published numbers and differences behind each column that has any.

    first: where the metrics' columns begin. Notes say where each is from and what is not alike.
    """
    places = [place for place, cells in enumerate(zip(*found, strict=True)) if any(cells)]
    for place in reversed(places):
        table = _inserted(table, first + place, [row[place] for row in found])
    notes = _notes([one for row in found for one in row if one])
    none = ["published: of no cell here; results/published.csv says which cells its numbers are of"]
    return replace(table, notes=[*table.notes, *(notes or none)])


def refuse_unlike(found: Sequence[Sequence[Beside | None]]) -> None:
    """Raise MixedProtocolsError where a published number was measured otherwise than ours."""
    unlike = [one for row in found for one in row if one and one.published.differences]
    if unlike:
        raise MixedProtocolsError(
            f"published numbers are of other protocols: {'; '.join(_notes(unlike))}; leave "
            "--strict out to have them marked"
        )


def with_systems(table: Table, columns: Sequence[Column]) -> Table:
    """Append a row for each published system that has a number in one of the columns."""
    import pandas as pd

    asked = {
        column.header: (_real(str(column.where.get("dataset", ""))), column.metric)
        for column in columns
    }
    known = competitors({name for name, _ in asked.values()}, {name for _, name in asked.values()})
    body, numbers = list(table.body), []
    by_source = known.groupby(["system", "source"], sort=False)
    repeated = Counter(system for (system, _), _ in by_source)
    for (system, source), rows in by_source:
        texts: dict[tuple[str, str], str] = {}
        for row in rows.to_dict("records"):
            texts.setdefault((row["dataset"], row["metric"]), row["text"])
        shown = {header: texts.get(place, "--") for header, place in asked.items()}
        name = f"{system}, by {source}" if repeated[system] > 1 else str(system)
        body.append([name, *(shown.get(header, "") for header in table.headers[1:])])
        values = {header: float(text) for header, text in shown.items() if text != "--"}
        numbers.append({table.headers[0]: name, **values})
    added = len(body) - len(table.body)
    none: list[Emphasis] = [""] * len(table.headers)
    return replace(
        table,
        body=body,
        numbers=pd.concat([table.numbers, pd.DataFrame(numbers)], ignore_index=True),
        marks=[*table.marks, *[""] * added],
        emphasis=[*table.emphasis, *[none] * added],
        groups=[*(table.groups or [""] * len(table.body)), *[SYSTEMS] * added],
        notes=[*table.notes, *_sources(known)],
    )


def _inserted(table: Table, place: int, found: Sequence[Beside | None]) -> Table:
    """Put two columns behind one."""
    header = table.headers[place]
    new = [f"{header} published", f"{header} {DELTA}"]
    texts = [(one.published.text, one.text) if one else ("--", "--") for one in found]
    values = [(one.published.value, one.delta) if one else (NO_NUMBER, NO_NUMBER) for one in found]
    numbers = table.numbers.assign(
        **{name: [pair[side] for pair in values] for side, name in enumerate(new)}
    )
    after = place + 1
    none: list[Emphasis] = ["", ""]
    return replace(
        table,
        headers=[*table.headers[:after], *new, *table.headers[after:]],
        body=[
            [*row[:after], *pair, *row[after:]] for row, pair in zip(table.body, texts, strict=True)
        ],
        numbers=numbers,
        over=[*table.over[:after], table.over[place], table.over[place], *table.over[after:]],
        emphasis=[[*row[:after], *none, *row[after:]] for row in table.emphasis],
    )


def _notes(found: Sequence[Beside]) -> list[str]:
    """Say of each source once which cells it is beside, and in what ours differ."""
    told: dict[str, list[str]] = {}
    for one in found:
        told.setdefault(_told(one.published), []).append(f"{one.header} of {one.row}")
    return [f"published {text}: {', '.join(cells)}" for text, cells in told.items()]


def _told(one: Published) -> str:
    parts = [f"{one.row}, {one.source} ({one.confidence})"]
    if one.differences:
        fields = (f"{d.field} ({d.usual} / {d.other})" for d in one.differences)
        parts.append(f"{UNLIKE} not measured alike (theirs / ours): {', '.join(fields)}")
    if one.unsaid:
        parts.append(f"unsaid there: {', '.join(one.unsaid)}")
    if one.note:
        parts.append(one.note)
    return "; ".join(parts)


def _sources(known: pd.DataFrame) -> list[str]:
    """Say what has to be said of the numbers, and name each source with the metrics it gives."""
    notes = (note for text in known["note"] for note in text.split(NOTES) if note)
    return list(dict.fromkeys(notes)) + [
        f"{source} ({', '.join(rows['confidence'].unique())}): "
        f"{', '.join(dict.fromkeys(metric_label(name) for name in rows['metric']))} of "
        f"{', '.join(rows['system'].unique())}"
        for source, rows in known.groupby("source", sort=False)
    ]


def _real(dataset: str) -> str:
    """The real dataset that a name is a twin or a part of."""
    return dataset.partition("@")[0].removeprefix("twin-")
