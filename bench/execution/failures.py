"""Failures: why a cell could not be done, kept beside the reports until it is."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from signal import Signals

from bench.execution.artifacts import write_json
from bench.execution.messages import Failed
from bench.plan import Planned
from registry.errors import BenchError
from results.store import failure_path


def record(cells: Iterable[Planned], failed: Failed, runs: Path) -> None:
    """Write down a failure for every cell that it costs."""
    for cell in cells:
        content = {
            "key": cell.key,
            "job": cell.job.values(),
            "error": failed.error,
            "message": failed.message,
            "traceback": failed.traceback,
            "stage": failed.blamed,
            "log": failed.log,
        }
        with suppress(BenchError):  # a full disk must not hide the first failure
            write_json(failure_path(runs, cell.key), content)


def killed(name: str, title: str, exit_code: int | None, log: str) -> Failed:
    """Say that a stage's worker ended twice without a word."""
    hint = "most often memory ran out: see dmesg, take a smaller resolution or fewer workers"
    return Failed(
        error="WorkerKilledError",
        message=f"the worker {ending(exit_code)} while {title}, twice; {hint}",
        traceback="",
        blamed=name,
        log=log,
    )


def ending(exit_code: int | None) -> str:
    """Say how a process ended."""
    if exit_code is None or exit_code >= 0:
        return f"ended (exit code {exit_code})"
    with suppress(ValueError):
        return f"was ended by {Signals(-exit_code).name}"
    return f"was ended by signal {-exit_code}"
