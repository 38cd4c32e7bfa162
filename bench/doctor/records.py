"""The doctor's records: one JSON file per dataset, read again when a report is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.identity import digest

RECORDS = "doctor"
"""Under the data folder, or, where that may not be written, under a run folder."""


def record_path(records: Path, dataset: str) -> Path:
    """File of a dataset's record."""
    return records / f"{slug(dataset)}.json"


def slug(name: str) -> str:
    """A file name for a dataset's: readable, and its own."""
    plain = re.sub(r"[^\w.-]+", "_", name.rpartition("/")[2])
    return plain if plain == name else f"{plain}-{digest({'name': name})[:8]}"


def verdict(folders: Sequence[Path], dataset: str, fingerprint: str) -> str:
    """Say what the doctor found of exactly these lists and images, in a few words.

    folders are where records may be: the data folder's first. Of a subset that was not examined
    itself, what was found of the whole.
    """
    known = [record for folder in folders if (record := _read(folder, dataset))]
    record = next((one for one in known if one["fingerprint"] == fingerprint), None)
    if record is not None:
        return _said(record)
    if known:
        return f"not as it is now (bench data verify {dataset})"
    whole, at, _ = dataset.rpartition("@subset(")
    parent = next((one for folder in folders if at and (one := _read(folder, whole))), None)
    if parent is not None:
        return f"the whole {whole}: {_said(parent)}"
    return f"no (bench data verify {whole if at else dataset})"


def _said(record: Mapping[str, Any]) -> str:
    state = "OK" if record["ok"] else "NOT OK"
    return f"{state}, content {record['content'][:16]}, {record['when']}"


def _read(folder: Path, dataset: str) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(record_path(folder, dataset).read_text())
        return record if {"fingerprint", "ok", "content", "when"} <= record.keys() else None
    except (OSError, ValueError, AttributeError):
        return None
