"""Published: numbers of papers and repositories, and how far one of ours may be held against them.

results/published.csv has a row per number. Its columns match.AXIS say which of our cells is meant:
names of the registry, globs, alternatives joined by |, empty where any will do. Its columns
protocol.FIELD say, in the words of our card, what the source says; empty where it says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from results.names import plain
from results.published_file import (
    COLUMNS,
    FIELDS,
    FILE,
    NOTES,
    SETTING,
    VARIANT,
    Row,
    published_rows,
    read_rows,
)
from results.signatures import VARIES, Difference
from results.store import unknown

if TYPE_CHECKING:
    import pandas as pd

PAPER = "irt-"
"""Start of the names of the paper's own tables."""
ABLATIONS = tuple(f"irt-table{number}" for number in (3, 4, 5, 6, 7, 9))
"""Tables of variants of one system."""
SUBSET = re.compile(r"@subset\([^()]*\)")
TWIN = "twin-"
DRAWN = Difference("images", "real", "drawn by code (twin)")
OWN_FILES = ("file:", "dir:")
UNSAID, NONE = "unsaid", "none"
UNUSUAL = {
    "subset": "split",
    "test-selected": "selection",
    "transductive": "projection_fit",
    "bad images left out": "bad_images",
}
"""Marks of ours that are a difference even where a source leaves their field unsaid."""


@dataclass(frozen=True)
class Published:
    """One published number beside one of our cells."""

    value: float
    """Per cent, or a cost's own unit."""
    text: str
    """As printed."""
    table: str
    row: str
    citation: str
    source: str
    """Where the number was read."""
    confidence: str
    """read, second-hand, or inferred: read, but the column that it stands in is reconstructed."""
    note: str
    differences: tuple[Difference, ...]
    """In what ours was measured otherwise: usual is the source's, other is ours."""
    unsaid: tuple[str, ...]
    """Fields that the source is silent about: no difference, and no agreement either."""


@dataclass(frozen=True)
class _Ours:
    """One of our cells, as far as it is compared."""

    dataset: str
    """The real dataset, of which the images are a part or a twin."""
    twin: bool
    axes: Mapping[str, str]
    fields: Mapping[str, str]
    """What the card says, empty where it does not; what seeds say differently is joined."""
    marks: tuple[str, ...]


def read_published(path: Path = FILE) -> pd.DataFrame:
    """Read all published numbers, in the order of their sources: value as float, text as printed.

    The other columns are the file's, as text. Raises ResultsError, naming line and column, for a
    file that lacks a column or has a value that is no number.
    """
    import pandas as pd

    frame = pd.DataFrame(read_rows(path), columns=list(COLUMNS))
    return frame.assign(text=frame["value"], value=frame["value"].astype(float))


def published_for(reports: pd.DataFrame, metric: str) -> list[Published]:
    """Return the published numbers that a cell is the equivalent of, the paper's first.

    reports is one cell of results.load's frame, one row or several seeds; metric is a report's,
    params_m or gflops. Among the paper's and among the others, the fewest differences come first.
    A cell on real images must have every axis that a number names; one on a twin, the variant.
    """
    ours = _ours(reports)
    found = [
        _beside(row, ours)
        for row in published_rows()
        if row["metric"] == metric and _equivalent(row, ours)
    ]
    return sorted(found, key=lambda one: (not one.table.startswith(PAPER), len(one.differences)))


def competitors(
    datasets: Collection[str], metrics: Collection[str], tables: Collection[str] = ()
) -> pd.DataFrame:
    """Return numbers of published systems, rows of read_published with one more column, system.

    It is a name: method (backbone, dims). Of all tables but ABLATIONS, unless some are named.
    """
    frame = read_published()
    _check_tables(tables)
    wanted = frame["table"].isin(list(tables)) if tables else ~frame["table"].isin(list(ABLATIONS))
    wanted &= frame["dataset"].isin(list(datasets)) & frame["metric"].isin(list(metrics))
    chosen = frame[wanted].reset_index(drop=True)
    names = [_system(*row) for row in chosen[["method", "backbone", "dims"]].to_numpy()]
    return chosen.assign(system=names)


def notes_of(tables: Collection[str]) -> list[str]:
    """Return what has to be said of tables' numbers: their sources' inconsistencies and gaps.

    Each once, in the order of the numbers.
    """
    _check_tables(tables)
    notes = (row["note"].split(NOTES) for row in published_rows() if row["table"] in tables)
    return list(dict.fromkeys(note for found in notes for note in found if note))


def explain(published: Published) -> str:
    """Say in one line where a number comes from, and in what ours is another measurement."""
    parts = [f"{published.text}: {published.row}, {published.source} ({published.confidence})"]
    if published.differences:
        told = (f"{d.field} ({d.usual} / {d.other})" for d in published.differences)
        parts.append(f"not measured alike: {', '.join(told)}")
    if published.unsaid:
        parts.append(f"unsaid: {', '.join(published.unsaid)}")
    return "; ".join(parts)


def _ours(reports: pd.DataFrame) -> _Ours:
    named = str(reports["dataset"].iloc[0])
    dataset = SUBSET.sub("", named).removeprefix(TWIN)
    axes = {axis: plain(reports[axis].iloc[0]) for axis in (*VARIANT, *SETTING)}
    at, train = plain(reports["test_resolution"].iloc[0]), axes["train"]
    axes["resolution"] = axes["resolution"] if at == "-" else at
    axes["train"] = {dataset: "own", "-": NONE}.get(train, train)
    said = {field: _said(reports, field) for field in (*FIELDS, *UNUSUAL.values())}
    return _Ours(
        dataset=dataset,
        twin=named.startswith(TWIN),
        axes=axes,
        fields=said | {"train": axes["train"], "rerank": NONE},
        marks=tuple(dict.fromkeys(mark for marks in reports["marks"] for mark in marks)),
    )


def _said(reports: pd.DataFrame, field: str) -> str:
    """What the reports' cards say of a field; empty where they do not know it."""
    column = f"protocol.{field}"
    texts = reports[column].tolist() if column in reports else []
    return " / ".join(dict.fromkeys(str(text) for text in texts if text == text))


def _equivalent(row: Row, ours: _Ours) -> bool:
    """Whether a number is of a cell's dataset and axes; one that names no axis has no equivalent.

    Weights from one's own file may be the source's: only their owner knows.
    """
    if not row["match.backbone"] or row["dataset"] not in ("", ours.dataset):
        return False
    if any(_differing(row, ours, VARIANT)):
        return False
    others = (
        found
        for found in _differing(row, ours, SETTING)
        if not (found.field == "weights" and found.other.startswith(OWN_FILES))
    )
    return ours.twin or not any(others)


def _beside(row: Row, ours: _Ours) -> Published:
    return Published(
        value=float(row["value"]),
        text=row["value"],
        table=row["table"],
        row=row["row"],
        citation=row["citation"],
        source=row["source"],
        confidence=row["confidence"],
        note=row["note"].replace(NOTES, "; "),
        differences=_differences(row, ours),
        unsaid=_unsaid(row, ours),
    )


def _differences(row: Row, ours: _Ours) -> tuple[Difference, ...]:
    """Each field once, by what tells it first."""
    told = list(_differing(row, ours, SETTING))
    if row["dataset"]:  # no image decides a cost
        told = [*([DRAWN] if ours.twin else []), *told, *_protocol(row, ours), *_marked(ours)]
    fields: dict[str, Difference] = {}
    for found in told:
        fields.setdefault(found.field, found)
    return tuple(fields.values())


def _differing(row: Row, ours: _Ours, axes: Iterable[str]) -> Iterator[Difference]:
    for axis in axes:
        pattern, other = row[f"match.{axis}"], ours.axes[axis]
        if pattern and not _matches(pattern, other):
            yield Difference(axis, pattern.partition("|")[0], other)


def _protocol(row: Row, ours: _Ours) -> Iterator[Difference]:
    for field in _compared(ours):
        usual, other = row[f"protocol.{field}"], ours.fields[field]
        if usual and other and not _matches(usual, other):
            yield Difference(field, usual.replace("*", VARIES), other)


def _marked(ours: _Ours) -> Iterator[Difference]:
    for mark, field in UNUSUAL.items():
        if mark in ours.marks:
            yield Difference(field, UNSAID, ours.fields[field] or mark)


def _unsaid(row: Row, ours: _Ours) -> tuple[str, ...]:
    """Only landmarks have queries to crop."""
    if not row["dataset"]:
        return ()
    landmarks = row["metric"].startswith("map_")
    fields = (field for field in _compared(ours) if landmarks or field != "query_crop")
    return tuple(field for field in fields if not row[f"protocol.{field}"])


def _compared(ours: _Ours) -> list[str]:
    """Fields to compare: that a twin's split is another, its images tell."""
    return [field for field in FIELDS if not (ours.twin and field == "split")]


def _matches(pattern: str, text: str) -> bool:
    return any(
        text == alternative or ("*" in alternative and fnmatchcase(text, alternative))
        for alternative in pattern.split("|")
    )


def _system(method: str, backbone: str, dims: str) -> str:
    facts = ", ".join(text for text in (backbone, dims) if text)
    return f"{method} ({facts})" if facts else method


def _check_tables(tables: Collection[str]) -> None:
    known = list(dict.fromkeys(row["table"] for row in published_rows()))
    for name in tables:
        if name not in known:
            raise unknown("published table", name, known)
