"""Status: which cells were asked for in a run folder, and what became of each."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.execution.artifacts import read_json, write_json
from bench.identity import digest
from bench.plan import Plan
from results.store import failure_path, report_path


def remember(plan: Plan, runs: Path) -> None:
    """Note the cells of a plan, so that status can tell which are missing."""
    cells = {cell.key: cell.job.label for cell in plan.cells}
    write_json(runs / "plans" / f"{digest({'cells': sorted(cells)})}.json", cells)


@contextmanager
def running(plan: Plan, runs: Path) -> Iterator[None]:
    """Be visible to status while working."""
    _forget_the_dead(runs)
    mark = runs / "running" / f"{socket.gethostname()}-{os.getpid()}.json"
    cells = sorted(cell.key for cell in plan.cells)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(
        mark, {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "cells": cells}
    )
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def states(runs: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield (key, label, state, detail) of every cell asked for, in the order of their labels."""
    cells: dict[str, str] = {}
    for path in sorted((runs / "plans").glob("*.json")):
        cells |= read_json(path)
    at_work = dict(_at_work(runs))
    for key, label in sorted(cells.items(), key=lambda item: item[1]):
        if report_path(runs, key).is_file():
            yield key, label, "done", ""
        elif failure_path(runs, key).is_file():
            failure = read_json(failure_path(runs, key))
            yield key, label, "failed", f"{failure['message']} ({failure_path(runs, key)})"
        elif key in at_work:
            yield key, label, "running", at_work[key]
        else:
            yield key, label, "missing", ""


def _forget_the_dead(runs: Path) -> None:
    for path in (runs / "running").glob("*.json"):
        if not _still_there(read_json(path)):
            path.unlink(missing_ok=True)


def _still_there(mark: dict[str, Any]) -> bool:
    """Whether a run's process lives; that of another host is taken at its word."""
    return mark["host"] != socket.gethostname() or _alive(mark["pid"])


def _at_work(runs: Path) -> Iterator[tuple[str, str]]:
    for path in (runs / "running").glob("*.json"):
        mark = read_json(path)
        if _still_there(mark):
            text = f"by process {mark['pid']} on {mark['host']} since {mark['since']}"
            yield from ((key, text) for key in mark["cells"])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
