"""The doctor's records: one JSON file per dataset, read again when a report is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

from bench.identity import digest

FOLDER = "doctor"
"""Under the data folder."""


def record_path(records: Path, dataset: str) -> Path:
    """File of a dataset's record."""
    return records / f"{slug(dataset)}.json"


def slug(name: str) -> str:
    """A file name for a dataset's: readable, and its own."""
    plain = re.sub(r"[^\w.-]+", "_", name.rpartition("/")[2])
    return plain if plain == name else f"{plain}-{digest({'name': name})[:8]}"


def verdict(data: Path, dataset: str, fingerprint: str) -> str:
    """Say what the doctor found of exactly these lists and images, in a few words."""
    try:
        record = json.loads(record_path(data / FOLDER, dataset).read_text())
        if record["fingerprint"] != fingerprint:
            return f"not as it is now (bench data verify {dataset})"
        state = "OK" if record["ok"] else "NOT OK"
        return f"{state}, content {record['content'][:16]}, {record['when']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"no (bench data verify {dataset})"
