"""Seals: whether a report, and the per-query outcomes beside it, are as they were written.

They tell mistakes, not malice: whoever edits a number can compute its checksum too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKSUM, PER_QUERY = "checksum", "per_query_sha256"
BLOCK = 1 << 20


def sealed(report: Mapping[str, Any], per_query: Path) -> dict[str, Any]:
    """Add the checksums of a report's content and of its Parquet."""
    content = {**report, PER_QUERY: file_checksum(per_query)}
    return {**content, CHECKSUM: content_checksum(content)}


def is_intact(report: Mapping[str, Any]) -> bool:
    """Whether a report's content is what its checksum was computed of."""
    return report.get(CHECKSUM) == content_checksum(report)


def content_checksum(report: Mapping[str, Any]) -> str:
    """SHA-256 of a report, its checksum left out; independent of layout and order."""
    content = {name: value for name, value in report.items() if name != CHECKSUM}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_checksum(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
