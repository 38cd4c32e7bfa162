"""Local: one process works through a plan, cell after cell, each stage once.

Other processes may work in the same run folder: what one of them is at is left to it, and its cells
come later.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.execution.artifacts import write_json
from bench.execution.leases import BusyError, FolderGoneError, Leases, lease_name
from bench.execution.owner import Lease
from bench.execution.work import Poolings, compute, is_done, title
from bench.identity import Model, Stage, key_of
from bench.model import UnreachableWeightsError
from bench.plan import Plan, Planned
from bench.report import write_report
from bench.stages.context import Context
from registry.errors import BenchError
from results.store import failure_path, report_path

LOOK_EVERY = 1.0
"""Seconds between two looks at what others are at, where nothing else is left to do."""


@dataclass(frozen=True)
class Options:
    """How a plan is run."""

    runs: Path
    force: bool
    """Do again even what is done."""
    keep_going: bool


@dataclass(frozen=True)
class Outcome:
    """What became of the cells."""

    finished: int
    already_done: int
    """Before, or by another run meanwhile."""
    failed: Sequence[tuple[str, str]]
    """Label and message of each."""


def run_plan(plan: Plan, context: Context, options: Options) -> Outcome:
    """Do every cell that has no report; with keep_going a failed cell does not stop the others.

    Cells that need a stage that failed fail with it, without trying it again.
    """
    with Leases(options.runs, say=context.progress.note) as leases:
        run = Run(plan.poolings(), context, options, leases)
        run.work_through(plan)
    return Outcome(run.finished, run.already, run.failed)


@dataclass
class Run:
    """A plan under way."""

    poolings: Poolings
    context: Context
    options: Options
    leases: Leases
    finished: int = 0
    already: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)
    """Key of a stage -> why it failed."""

    def work_through(self, plan: Plan) -> None:
        """Go round until no cell is left; wait where other processes are at those that are."""
        before = (
            set() if self.options.force else {cell.key for cell in plan.done(self.options.runs)}
        )
        left, told = list(plan.cells), ""
        while left:
            busy = self._go_round(left, before)
            if self.failed and not self.options.keep_going:
                break
            if busy:
                told = self._wait(busy, told)
            left = [cell for cell in left if cell.key in busy]

    def _go_round(self, cells: Sequence[Planned], before: set[str]) -> dict[str, BusyError]:
        """Try each cell; return the keys of those that another process is at."""
        busy: dict[str, BusyError] = {}
        for cell in cells:
            try:
                self._cell(cell, "done before" if cell.key in before else "done by another run")
            except BusyError as error:
                busy[cell.key] = error
            if self.failed and not self.options.keep_going:
                break
        return busy

    def _cell(self, cell: Planned, there: str) -> None:
        """Do a cell unless its report is there; record its failure."""
        label, progress = cell.job.label, self.context.progress
        try:
            report = None if self._reported(cell) else self._computed(cell)
        except (BusyError, FolderGoneError):
            raise
        except Exception as error:  # noqa: BLE001 - one cell's failure is recorded, not the run's
            message = describe(error)
            self.failed.append((label, message))
            _record_failure(cell, error, self.options.runs)
            progress.cell(label, f"FAILED: {message}")
        else:
            self.finished += report is not None
            self.already += report is None
            progress.cell(label, there if report is None else _outcome(report))

    def _reported(self, cell: Planned) -> bool:
        return not self.options.force and report_path(self.options.runs, cell.key).is_file()

    def _computed(self, cell: Planned) -> dict[str, Any] | None:
        """Follow a cell from stage to stage to its report; None where another run wrote it."""
        *earlier, scores = cell.stages()
        model = cell.scores.descriptors.features.extraction.model
        for stage in earlier:
            if not is_done(stage, self.poolings, self.context.artifacts):
                with self._at(stage, model):  # by now it may be done: nothing is computed then
                    compute(stage, self.poolings, self.context)
        with self._at(scores, model):
            if self._reported(cell):
                return None
            compute(scores, self.poolings, self.context)
            scored = self.context.artifacts.path(scores)
            return write_report(cell, scored, self.context, self.options.runs)

    @contextmanager
    def _at(self, stage: Stage, model: Model) -> Iterator[None]:
        """Be the only one at a stage, and remember its failure."""
        with (
            guarded(stage, self.broken),
            guarded(model, self.broken, UnreachableWeightsError),
            self.leases.holding(lease_name(stage), title(stage)),
        ):
            self.context.artifacts.look_again()
            yield

    def _wait(self, busy: Mapping[str, BusyError], told: str) -> str:
        """Wait until another process has ended something; say what for, unless that was told."""
        held = {error.name: error for error in busy.values()}
        text = "waiting for " + "; ".join(sorted({str(error) for error in held.values()}))
        if text != told:
            self.context.progress.note(text)
        while all(self._same(name, error.lease) for name, error in held.items()):
            time.sleep(LOOK_EVERY)
        return text

    def _same(self, name: str, lease: Lease) -> bool:
        now = self.leases.busy(name)
        return now is not None and now.owner == lease.owner


@contextmanager
def guarded(
    stage: Stage, broken: dict[str, Exception], kind: type[Exception] = Exception
) -> Iterator[None]:
    """Remember a stage's failure of a kind, and fail at once where it is needed again."""
    key = key_of(stage)
    if key in broken:
        raise broken[key]
    try:
        yield
    except BusyError:
        raise
    except kind as error:
        broken[key] = error
        raise


def describe(error: Exception) -> str:
    """Say what went wrong: our own errors are written for users, others get their class."""
    return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"


def _record_failure(cell: Planned, error: Exception, runs: Path) -> None:
    content = {
        "key": cell.key,
        "job": cell.job.values(),
        "error": type(error).__name__,
        "message": describe(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    try:
        write_json(failure_path(runs, cell.key), content)
    except BenchError as unwritable:  # a full disk must not hide the first failure
        error.add_note(str(unwritable))


def _outcome(report: dict[str, Any]) -> str:
    return ", ".join(f"{name} {100 * report['metrics'][name]:.1f}" for name in report["headline"])
