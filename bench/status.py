"""Status: what became of every cell that was asked for in a run folder.

done      its report is there
running   a live process holds a lease on one of its stages
failed    it was tried, and its failure is on record
stale     an input, a row or a stage's version changed since it was planned or done
pending   none of these yet
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.at_work import at_work
from bench.execution.artifacts import read_json
from bench.plan_notes import Noted, noted_cells
from bench.staleness import Today, today, why_stale
from registry.errors import BenchError
from results.store import failure_path, report_path

DONE, RUNNING, FAILED, STALE, PENDING = "done", "running", "failed", "stale", "pending"
STATES = (DONE, RUNNING, FAILED, STALE, PENDING)
"""In the order in which they are listed."""


@dataclass(frozen=True)
class CellState:
    """A cell, its state, and why it is in it."""

    key: str
    label: str
    state: str
    detail: str


def states(runs: Path, data: Path | None = None) -> list[CellState]:
    """Find the state of every cell asked for, in the order of states and labels.

    data is where real datasets are looked for: where their images changed, cells are stale.
    """
    working = dict(at_work(runs))
    listed = _listed([(cell, today(cell, data)) for cell in noted_cells(runs)], runs)
    found = [
        CellState(cell.key, cell.label, *_state(cell, now, runs, working)) for cell, now in listed
    ]
    return sorted(found, key=lambda cell: (STATES.index(cell.state), cell.label, cell.key))


def _listed(
    cells: Sequence[tuple[Noted, Today | None]], runs: Path
) -> list[tuple[Noted, Today | None]]:
    """Leave out what was planned anew under another key, unless it has a report.

    Of all keys of a job today's wins, or else the one that was planned last.
    """
    keys: dict[tuple[object, ...], str] = {}
    for cell, _ in cells:
        keys[cell.identity] = cell.key
    for cell, now in cells:
        if now is not None and now.found and now.cell.key == cell.key:
            keys[cell.identity] = cell.key
    return [
        (cell, now)
        for cell, now in cells
        if keys[cell.identity] == cell.key or report_path(runs, cell.key).is_file()
    ]


def _state(
    cell: Noted, now: Today | None, runs: Path, working: Mapping[str, str]
) -> tuple[str, str]:
    running = "; ".join(working[name] for name in cell.stages if name in working)
    if report_path(runs, cell.key).is_file():
        report = None if _is_current(cell, now) else _read(report_path(runs, cell.key))
        changed = why_stale(cell, now, report)
        return (STALE, changed) if changed else (DONE, "")
    changed = why_stale(cell, now, None)
    failure = _failure(runs, cell.key)
    if running and (failure is None or failure.get("stage") in working):
        return RUNNING, running
    if changed:
        return STALE, changed
    return (FAILED, _said(failure, runs, cell.key)) if failure is not None else (PENDING, "")


def _is_current(cell: Noted, now: Today | None) -> bool:
    return now is None or now.cell.key == cell.key


def _failure(runs: Path, key: str) -> Mapping[str, Any] | None:
    path = failure_path(runs, key)
    return (_read(path) or {}) if path.is_file() else None


def _said(failure: Mapping[str, Any], runs: Path, key: str) -> str:
    """Class of the error, the first line of its message, and where to read on."""
    error, message = str(failure.get("error") or ""), str(failure.get("message") or "")
    line = (message.strip().splitlines() or ["its record cannot be read"])[0]
    named = line if not error or line.startswith(error) else f"{error}: {line}"
    log = failure.get("log")
    return f"{named} ({runs / log if log else failure_path(runs, key)})"


def _read(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None where it is damaged: that is no reason to show no states."""
    try:
        return read_json(path)
    except BenchError:
        return None
