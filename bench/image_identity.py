"""What a dataset's lists and images depend on: its row, and for real ones what lies on the disk."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from registry.datasets import Dataset, source_row
from registry.datasets.contents import signature
from registry.errors import BenchError


def image_identity(row: Dataset, data: Path | None) -> dict[str, object]:
    """Everything that a dataset's lists and images depend on.

    The images of a real dataset join its lists once they can be found; where they cannot, the work
    that needs them says so.
    """
    found = None if row.pinned or data is None else _signature(row.name, data)
    return {**row.identity, **({"images": found} if found else {})}


@cache
def _signature(dataset: str, data: Path) -> str | None:
    row = source_row(dataset)
    try:
        return signature(row.read(row.prepare(data)))
    except BenchError:
        return None
