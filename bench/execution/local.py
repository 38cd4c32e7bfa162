"""Local: one process works through a plan, cell after cell, each stage once."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.execution.artifacts import write_json
from bench.identity import Extraction, Stage, key_of
from bench.model import UnreachableWeightsError
from bench.plan import Plan, Planned
from bench.report import write_report
from bench.stages.context import Context
from bench.stages.descriptors import ensure_fit
from bench.stages.features import ensure_features
from bench.stages.scores import ensure_scores
from bench.stages.weights import ensure_weights
from registry.errors import BenchError
from results.store import failure_path, report_path


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
    failed: Sequence[tuple[str, str]]
    """Label and message of each."""


def run_plan(plan: Plan, context: Context, options: Options) -> Outcome:
    """Do every cell that has no report; with keep_going a failed cell does not stop the others.

    Cells that need a stage that failed fail with it, without trying it again.
    """
    finished, already = 0, 0
    failed: list[tuple[str, str]] = []
    broken: dict[str, Exception] = {}
    poolings = plan.poolings()
    for cell in plan.cells:
        if report_path(options.runs, cell.key).is_file() and not options.force:
            already += 1
            context.progress.cell(cell.job.label, "done before")
            continue
        try:
            report = _run_cell(cell, poolings, context, options.runs, broken)
        except Exception as error:  # noqa: BLE001 - one cell's failure is recorded, not the run's
            message = describe(error)
            failed.append((cell.job.label, message))
            _record_failure(cell, error, options.runs)
            context.progress.cell(cell.job.label, f"FAILED: {message}")
            if not options.keep_going:
                break
        else:
            finished += 1
            context.progress.cell(cell.job.label, _outcome(report))
    return Outcome(finished, already, failed)


def _run_cell(
    cell: Planned,
    poolings: Mapping[Extraction, Sequence[str]],
    context: Context,
    runs: Path,
    broken: dict[str, Exception],
) -> dict[str, Any]:
    """Follow one cell: weights -> features -> descriptors -> scores -> report."""
    scores = cell.scores
    fit, features = scores.descriptors.fit, scores.descriptors.features
    model = features.extraction.model
    with guarded(model, broken):
        ensure_weights(model, context)
    if fit is not None:
        with guarded(fit, broken), guarded(model, broken, UnreachableWeightsError):
            ensure_fit(fit, poolings[fit.features.extraction], context)
    for needed in (part.features for part in scores.parts()):
        extraction = needed.extraction
        with guarded(extraction, broken), guarded(model, broken, UnreachableWeightsError):
            ensure_features(needed, poolings[extraction], context)
    scored = ensure_scores(scores, poolings[features.extraction], context)
    return write_report(cell, scored, context, runs)


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
