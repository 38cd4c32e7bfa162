"""Events: what was logged in each step of a training, one JSON line each.

The first line says what the training is; later ones are a step and its values, or how it ended.
A training that was stopped and goes on appends the same, from the step that it goes on at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Events:
    """A training as it was logged."""

    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, float]] = field(default_factory=list)
    """In order; each has "step" and the last of its values by name."""
    summary: dict[str, float] = field(default_factory=dict)
    """Of one that is finished."""
    status: str = "running"
    """Or "finished", or the error, or "interrupted"."""


def events_path(runs: Path, key: str) -> Path:
    """File of a training's events; the key is the trained model's."""
    return runs / "log" / f"model-{key}.events.jsonl"


def read_events(path: Path) -> Events:
    """Read what a training has logged so far; raises OSError where there is no such file.

    Steps that come again replace those of before, and all that came after these. Lines that are
    not whole are left out: the last one of a training that was killed, or is being written.
    """
    found = Events()
    for line in _whole_lines(path):
        _add(line, found)
    return found


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text) if text.endswith("\n") else None
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line


def _add(line: Mapping[str, Any], found: Events) -> None:
    if "step" in line:
        _add_step(line, found.steps)
    elif "status" in line:
        found.status, found.summary = line["status"], _numbers(line["summary"])
    elif "config" in line:
        found.name, found.config = line["name"], line["config"]
        found.status, found.summary = "running", {}


def _add_step(line: Mapping[str, Any], steps: list[dict[str, float]]) -> None:
    while steps and steps[-1]["step"] > line["step"]:
        steps.pop()
    if not steps or steps[-1]["step"] < line["step"]:
        steps.append({})
    steps[-1].update(_numbers(line))


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    """JSON has no NaN: what is none was no number."""
    return {name: math.nan if value is None else value for name, value in values.items()}
