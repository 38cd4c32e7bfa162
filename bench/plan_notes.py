"""Plan notes: which cells were asked for in a run folder, and how to resolve them again.

    RUNS/plans/<digest>.json    key of a cell -> its label, job, skip_bad_images, names of leases

Earlier versions noted the label alone, or the label and the names of leases: such cells are listed,
but cannot be resolved again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.execution.artifacts import read_json, writing
from bench.execution.work import name_of
from bench.identity import digest, report_key, scores_of
from bench.job import Job
from bench.plan import Plan, Planned
from registry.errors import UsageError
from registry.publish import write_file

FOLDER = "plans"
AXES = frozenset(field.name for field in fields(Job))


@dataclass(frozen=True)
class Noted:
    """A cell that was asked for, as it was resolved then."""

    key: str
    label: str
    values: Mapping[str, Any]
    """Axis -> value; nothing in notes of earlier versions."""
    skip_bad_images: bool
    stages: tuple[str, ...]
    """Names of their leases, in the order of doing."""

    @property
    def resolvable(self) -> bool:
        """Whether its job was noted, with the axes of this version."""
        return self.values.keys() == AXES

    @property
    def identity(self) -> tuple[object, ...]:
        """What two cells have in common if one is the other with other inputs or versions."""
        if not self.resolvable:
            return (self.key,)
        return (same_job(self.values), self.skip_bad_images)

    def planned(self, data: Path | None, *, skip_bad_images: bool = False) -> Planned:
        """Resolve it again, with today's code and data; raises UsageError where that cannot be."""
        if not self.resolvable:
            raise UsageError(f"{self.label}: noted by another version: give its matrix once more")
        job, skip = Job(**self.values), skip_bad_images or self.skip_bad_images
        scores = scores_of(job, skip_bad_images=skip, data=data)
        return Planned(job, report_key(job, scores), scores)


def same_job(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Make a job's values comparable, whatever their order."""
    return tuple(sorted(values.items()))


def remember(plan: Plan, runs: Path) -> None:
    """Note the cells of a plan, so that status can tell which are pending and which are stale."""
    cells = {cell.key: _note(cell) for cell in plan.cells}
    path = runs / FOLDER / f"{digest({'cells': sorted(cells)})}.json"
    text = json.dumps(cells, allow_nan=False)  # indented, ten thousand cells would take seconds
    with writing(path):
        write_file(path, lambda unfinished: unfinished.write_text(text + "\n"))


def noted_cells(runs: Path) -> list[Noted]:
    """Every cell that was ever asked for; those asked for last come last.

    What a cell's last note leaves out is what those before it say. Raises WorkError where one is
    damaged.
    """
    cells: dict[str, dict[str, Any]] = {}
    for path in sorted((runs / FOLDER).glob("*.json"), key=_written):
        for key, content in read_json(path).items():
            said = {"label": content} if isinstance(content, str) else content
            cells[key] = {**cells.pop(key, {}), **said}
    return [_noted(key, content) for key, content in cells.items()]


def _note(cell: Planned) -> dict[str, Any]:
    return {
        "label": cell.job.label,
        "job": cell.job.values(),
        "skip_bad_images": cell.scores.descriptors.features.extraction.skip_bad_images,
        "stages": [name_of(stage) for stage in cell.stages()],
    }


def _noted(key: str, content: Mapping[str, Any]) -> Noted:
    return Noted(
        key=key,
        label=str(content.get("label", "")),
        values=content.get("job") or {},
        skip_bad_images=bool(content.get("skip_bad_images")),
        stages=tuple(content.get("stages") or ()),
    )


def _written(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime, path.name
    except OSError:  # gone meanwhile: reading it will say so
        return 0.0, path.name
