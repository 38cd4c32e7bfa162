"""Status: which cells were asked for in a run folder, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.execution import lease_files
from bench.execution.artifacts import read_json, write_json
from bench.execution.leases import EXPIRY, FOLDER
from bench.execution.work import name_of
from bench.identity import digest
from bench.plan import Plan, Planned
from results.store import failure_path, report_path


def remember(plan: Plan, runs: Path) -> None:
    """Note the cells of a plan, so that status can tell which are missing."""
    cells = {cell.key: _noted(cell) for cell in plan.cells}
    write_json(runs / "plans" / f"{digest({'cells': sorted(cells)})}.json", cells)


def states(runs: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield (key, label, state, detail) of every cell asked for, in the order of their labels.

    A cell is running while a live process holds a lease on one of its stages.
    """
    at_work = dict(_at_work(runs))
    for key, cell in sorted(_asked_for(runs).items(), key=lambda item: str(item[1]["label"])):
        running = [at_work[name] for name in cell["stages"] if name in at_work]
        yield key, cell["label"], *_state(runs, key, running)


def _state(runs: Path, key: str, running: list[str]) -> tuple[str, str]:
    if report_path(runs, key).is_file():
        return "done", ""
    if failure_path(runs, key).is_file():
        failure = read_json(failure_path(runs, key))
        return "failed", f"{failure['message']} ({failure_path(runs, key)})"
    return ("running", "; ".join(running)) if running else ("missing", "")


def _noted(cell: Planned) -> dict[str, Any]:
    return {"label": cell.job.label, "stages": [name_of(stage) for stage in cell.stages()]}


def _asked_for(runs: Path) -> Mapping[str, dict[str, Any]]:
    """Key of a cell -> its label and the names of its stages' leases."""
    cells: dict[str, dict[str, Any]] = {}
    for path in sorted((runs / "plans").glob("*.json")):
        for key, noted in read_json(path).items():
            old = isinstance(noted, str)  # a label alone: earlier versions noted no more
            cells[key] = {"label": noted, "stages": []} if old else noted
    return cells


def _at_work(runs: Path) -> Iterator[tuple[str, str]]:
    """Name of a lease -> who holds it, for those whose process is not known to be gone."""
    for path, lease in lease_files.all_in(runs / FOLDER):
        if not lease.owner.gone():
            yield path.stem, f"{lease.what}, by {lease.owner} since {lease.since}, {_sign(path)}"


def _sign(path: Path) -> str:
    """How old the last sign of life is: by the clocks, so for people to judge, not for us."""
    seconds = max(0.0, time.time() - lease_files.renewed(path))
    age = f"{seconds:.0f} s" if seconds < 2 * EXPIRY else f"{seconds / 60:.0f} min"
    doubt = ": it may be dead, and a run would take over" if seconds > EXPIRY else ""
    return f"heartbeat {age} ago{doubt}"
