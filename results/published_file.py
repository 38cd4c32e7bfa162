"""The file of published numbers: its columns, and reading it, checked, however it was edited."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from results.store import ResultsError, unknown

FILE = Path(__file__).with_name("published.csv")
NOTES = " | "
"""Between the notes of one number."""
NUMBER = ("table", "row", "method", "backbone", "dims", "dataset", "metric", "value", "gflops")
ORIGIN = ("citation", "source", "confidence")
NEEDED = ("table", "row", "method", "metric", "value", *ORIGIN)
CONFIDENCES = ("read", "second-hand", "inferred")
"""inferred: the number was read, the column that it stands in is reconstructed."""
COSTS = ("params_m", "gflops")
"""Metrics that are no per cent: millions of parameters, and FLOPS as the paper counts them."""
FIELDS = (
    "transform",
    "query_crop",
    "resolution",
    "scales",
    "split",
    "projection",
    "projection_fit",
    "selection",
    "recipe",
    "train",
    "rerank",
)
"""Of our card, but for train, an axis, and rerank, which no cell has yet."""
VARIANT = ("backbone", "pooling", "loss", "dims", "projection")
"""Axes that make a cell what it is."""
SETTING = ("weights", "resolution", "train")
"""Axes in which a twin of a cell is meant to differ."""
COLUMNS = (
    *NUMBER,
    *ORIGIN,
    *(f"protocol.{field}" for field in FIELDS),
    *(f"match.{axis}" for axis in (*VARIANT, *SETTING)),
    "note",
)
Row = Mapping[str, str]


@lru_cache(maxsize=1)
def published_rows() -> tuple[Row, ...]:
    """Return the rows of results/published.csv."""
    return read_rows(FILE)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Return a file's rows; raises ResultsError, naming line and column, for what is wrong."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            header = _header(path, next(reader, []))
            return tuple(_row(path, reader.line_num, header, fields) for fields in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(
            f"cannot read the published numbers {path} ({error}): restore the file"
        ) from error


def _header(path: Path, names: list[str]) -> list[str]:
    for name in names:
        if name not in COLUMNS:
            raise ResultsError(f"{path}, line 1: {unknown('column', name, COLUMNS)}")
    for name in COLUMNS:
        if names.count(name) != 1:
            wrong = "there twice" if name in names else "missing"
            raise ResultsError(f"{path}, line 1: the column {name!r} is {wrong}")
    return names


def _row(path: Path, line: int, header: list[str], fields: list[str]) -> Row:
    if len(fields) != len(header):
        raise ResultsError(
            f"{path}, line {line}: it has {len(fields)} fields, the header {len(header)}: a text "
            "that holds a comma goes in quotes"
        )
    row = dict(zip(header, fields, strict=True))
    for name in NEEDED:
        if not row[name]:
            raise ResultsError(f"{path}, line {line}, column {name!r}: nothing is written")
    if row["confidence"] not in CONFIDENCES:
        wrong = unknown("confidence", row["confidence"], CONFIDENCES)
        raise ResultsError(f"{path}, line {line}, column 'confidence': {wrong}")
    _check_value(f"{path}, line {line}, column 'value'", row["metric"], row["value"])
    return row


def _check_value(where: str, metric: str, text: str) -> None:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    largest = math.inf if metric in COSTS else 100
    if not (0 <= value <= largest and math.isfinite(value)):
        kind = "a number" if metric in COSTS else "a number of per cent, 0 to 100"
        raise ResultsError(f"{where}: {text!r} is not {kind}")
