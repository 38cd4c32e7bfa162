"""Locate: the file of an image that a report names, where the harness would read it.

Nothing is drawn, fetched or decoded: what is not there is not found.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from registry.datasets import Dataset, dataset_row, source_row
from registry.datasets.twins import draw
from registry.errors import BenchError, WorkError
from results.thumbnails import Located


def locator(data: Path) -> Callable[[str, str], Located | None]:
    """Return what finds (dataset, path as its lists write it), with the box of a landmark query.

    It answers None for what is not there: an image, or the whole dataset.
    """

    @cache
    def images_of(dataset: str) -> dict[str, Located]:
        try:
            return _images(dataset_row(dataset), data)
        except (BenchError, OSError):
            return {}

    def locate(dataset: str, path: str) -> Located | None:
        found = images_of(dataset).get(path)
        return found if found and found.path.is_file() else None

    return locate


def _images(row: Dataset, data: Path) -> dict[str, Located]:
    """Every evaluated image by its path in the lists; of distractors those of no such name."""
    if row.base is not None and row.distractors is not None:
        base = _images(source_row(row.base), data)
        return _images(source_row(row.distractors), data) | base
    images = row.read(_folder(row, data)).evaluated
    boxes = images.boxes or {}
    return {
        path: Located(images.root / path, boxes.get(position))
        for position, path in enumerate(images.paths)
    }


def _folder(row: Dataset, data: Path) -> Path:
    """The dataset's folder; raises BenchError where it is not there, as a twin never drawn."""
    prepare = row.prepare
    if isinstance(prepare, partial) and prepare.func is draw:
        if not any((data / "twins").glob(f"{prepare.keywords['name']}-*")):
            raise WorkError(f"{row.name} is not in {data}")
        found = prepare(data, write=_refuse)
        assert isinstance(found, Path)
        return found
    return prepare(data)


def _refuse(root: Path, draw: object) -> None:
    """Stand in for a twin's writer: whoever looks for an image draws none."""
    raise WorkError(f"there is no twin {root.name}")
