"""Staleness: whether a cell of a plan note is still what it was, and what changed if it is not.

Its key then and its key now differ where an input, a row or a stage's version changed. What cannot
be found now says nothing of that: a real dataset whose folder is elsewhere, a removed folder or
weights file. A cell keeps its state then. So does one of a backbone that only timm describes:
asking timm takes ten seconds, and torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bench.execution.work import name_of
from bench.image_identity import image_identity
from bench.plan import Planned
from bench.plan_notes import Noted
from bench.spec import full_spec
from registry.datasets import dataset_row, source_row
from registry.errors import BenchError
from registry.timm_models import TIMM_PREFIX

REFERENCES = {
    "extraction.model",
    "fit_extraction.model",
    "distractors_extraction.model",
    "features.extraction",
    "fit.features",
    "descriptors.features",
    "descriptors.fit",
    "scores.descriptors",
    "scores.distractors",
}
"""Fields that hold keys of earlier stages: they change with those, and say no more."""
OTHER_PASSES = ("fit_extraction.", "distractors_extraction.")
HASH = re.compile(r"[0-9a-f]{16,}")
LONGEST = 40
"""Characters of a value that is shown."""


@dataclass(frozen=True)
class Today:
    """A noted cell as it is resolved now."""

    cell: Planned
    found: bool
    """Whether the images of all its datasets can be found: else its key says nothing."""


def today(noted: Noted, data: Path | None) -> Today | None:
    """Resolve a cell again; None where that cannot be done."""
    if not noted.resolvable or str(noted.values["backbone"]).startswith(TIMM_PREFIX):
        return None
    try:
        cell = noted.planned(data)
        return Today(cell, all(_found(name, data) for name in _datasets(cell)))
    except (BenchError, OSError):
        return None


def why_stale(noted: Noted, now: Today | None, report: Mapping[str, Any] | None) -> str | None:
    """Say what changed since a cell was planned, or since its report; None where nothing did."""
    if now is None or now.cell.key == noted.key:
        return None
    if report is not None and isinstance(report.get("spec"), Mapping):
        return _since_report(report, now)
    return _since_planned(noted, now.cell) if now.found else None


def _since_report(report: Mapping[str, Any], now: Today) -> str | None:
    before, after = report["spec"], json.loads(json.dumps(full_spec(now.cell.scores)))
    shared = [name for name in after if name in before]
    changes = [change for name in shared for change in _changes(name, before[name], after[name])]
    if not now.found:
        changes = [change for change in changes if not change.path.endswith(".images")]
    causes = [change for change in changes if change.path not in REFERENCES]
    if causes:
        return ", ".join(dict.fromkeys(map(str, _without_repeats(causes))))
    if not now.found:
        return None
    titles = report.get("job", {}).get("dataset_title"), dataset_row(now.cell.job.dataset).title
    changes += _changes("dataset_title", *titles)
    return str(changes[0]) if changes else "what its key is made of changed"


def _since_planned(noted: Noted, cell: Planned) -> str:
    stages = [name_of(stage) for stage in cell.stages()]
    for before, after in zip_longest(noted.stages, stages):
        if before != after:
            return f"{(after or before).partition('-')[0]} changed since it was planned"
    return "its name in tables changed since it was planned"


@dataclass(frozen=True)
class Change:
    """A field of a specification that is no longer what it was."""

    path: str
    before: object
    after: object

    def __str__(self) -> str:
        values = [json.dumps(value) for value in (self.before, self.after)]
        if any(isinstance(value, Mapping) for value in (self.before, self.after)) or any(
            HASH.search(text) or len(text) > LONGEST for text in values
        ):
            return f"{self.path} changed"
        return f"{self.path} {' -> '.join(text.strip(chr(34)) for text in values)}"


def _changes(path: str, before: object, after: object) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            yield from _changes(f"{path}.{name}", before.get(name), after.get(name))
    elif before != after:
        yield Change(path, before, after)


def _without_repeats(changes: list[Change]) -> list[Change]:
    """Leave out what the passes for a fit or for distractors have in common with the first."""
    said = {str(change) for change in changes}
    return [
        change
        for change in changes
        if not (
            change.path.startswith(OTHER_PASSES)
            and str(change).replace(change.path.partition(".")[0], "extraction", 1) in said
        )
    ]


def _datasets(cell: Planned) -> set[str]:
    extractions = [features.extraction for features in cell.scores.features()]
    training = extractions[0].model.training
    return {found.dataset for found in extractions} | ({training.train} if training else set())


def _found(dataset: str, data: Path | None) -> bool:
    row = source_row(dataset)
    return row.pinned or "images" in image_identity(row, data)
