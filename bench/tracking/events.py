"""The events file of a training: a JSON line per step, kept for every run; see results.events."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from results.events import events_path

SECONDS = 1.0
"""Between two writes: what a kill costs."""


class EventsFile:
    """One run: nothing is written until its first step, so what has no steps has no file."""

    def __init__(self, runs: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._clock = clock
        self._file: Path | None = None
        self._head: Mapping[str, object] = {}
        self._lines: list[str] = []
        """Not written yet."""
        self._written = -math.inf
        self._logged = False

    def start(self, key: str, name: str, config: Mapping[str, object]) -> None:
        """Remember what the run is."""
        self._file = events_path(self._runs, key)
        self._head = {"name": name, "config": dict(config)}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take down a step; it is on the disk a second later, or with the next one after that."""
        self._logged = True
        self._lines.append(as_line({"step": step, **finite(values)}))
        if self._clock() - self._written >= SECONDS:
            self._write()

    def finish(self, summary: Mapping[str, float]) -> None:
        """Write the summary."""
        self._end("finished", summary)

    def fail(self, message: str) -> None:
        """Write the message."""
        self._end(message, {})

    def _end(self, status: str, summary: Mapping[str, float]) -> None:
        assert self._file is not None
        if self._logged or self._file.exists():
            self._lines.append(as_line({"status": status, "summary": finite(summary)}))
            self._write()

    def _write(self) -> None:
        """Append; opened anew each time, so that a full disk leaves nothing open."""
        assert self._file is not None
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            if self._written == -math.inf:
                file.write(_rest(self._file) + as_line(self._head))
            file.writelines(self._lines)
        self._lines = []
        self._written = self._clock()


def _rest(file: Path) -> str:
    """What has to come before the next line: the end of one that a kill tore."""
    if not file.stat().st_size:
        return ""
    with file.open("rb") as content:
        content.seek(-1, os.SEEK_END)
        return "" if content.read() == b"\n" else "\n"


def as_line(content: Mapping[str, object]) -> str:
    """Write JSON; what it has no word for, a path for example, as text."""
    return json.dumps(content, default=str, allow_nan=False) + "\n"


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN: None in its place. Numbers of numpy become Python's."""
    return {
        name: (value if isinstance(value, int) else float(value)) if math.isfinite(value) else None
        for name, value in values.items()
    }
