"""Merge: bring what other run folders hold into one, and refuse two numbers under one key.

Everything is copied in one step each, so that it can be killed anywhere and run again. What is
there stays; a report comes after the Parquet beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.clean import is_run_folder
from bench.conflicts import Conflict, conflicts_of
from bench.execution.artifacts import read_json
from bench.execution.leases import BusyError, Leases
from bench.listing import print_table
from bench.merge_files import (
    bring_artifacts,
    bring_failures,
    bring_logs,
    bring_plans,
    bring_reports,
)
from registry.errors import UsageError, WorkError
from results.render import terminal
from results.store import per_query_path, read_reports, report_path

LEASE = "merge-folder"


def merge(others: Sequence[Path], runs: Path, *, artifacts: bool) -> None:
    """Merge run folders into runs; raises WorkError, nothing being changed, if they disagree."""
    _check_folders(others, runs)
    _check_reports(others, runs)
    try:
        with Leases(runs, say=_say) as leases, leases.holding(LEASE, "merging run folders"):
            brought = [_bring(other, runs, artifacts=artifacts) for other in others]
            for other, counts in zip(others, brought, strict=True):  # reports of all folders first
                counts["failures"] += bring_failures(other, runs)
                parts = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
                _say(f"{other}: {parts or 'nothing that was not there'}")
    except BusyError as error:
        raise WorkError(f"{runs} is in use ({error}): run again when that is done") from error


def _bring(other: Path, runs: Path, *, artifacts: bool) -> Counter[str]:
    """Bring everything but failures; return how many there were of each kind."""
    counts: Counter[str] = Counter()
    counts["plan notes"] += bring_plans(other, runs)
    counts["logs"] += bring_logs(other, runs)
    if artifacts:
        counts["artifacts"] += bring_artifacts(other, runs, _say)
    counts["reports"] += bring_reports(other, runs)
    return counts


def _check_folders(others: Sequence[Path], runs: Path) -> None:
    for other in others:
        if not is_run_folder(other):
            raise UsageError(
                f"{other} is no run folder: one has reports, plans, artifacts or failures in it"
            )
        if runs.exists() and other.samefile(runs):
            raise UsageError(f"{other} is the run folder to merge into: name others, or --runs")


def _check_reports(others: Sequence[Path], runs: Path) -> None:
    found = conflicts_of(runs, others)
    if found:
        _show(found)
        keys = {conflict.key for conflict in found}
        raise WorkError(
            f"different numbers under {len(keys)} keys: nothing was merged. Find out which are "
            "right (bench show KEY --runs DIR says how each was made), delete the other reports "
            "and run again"
        )
    for other in others:
        for path in [*(other / "plans").glob("*.json"), *(other / "failures").glob("*.json")]:
            read_json(path)  # says which is damaged, before anything is copied
        for report in read_reports(other):
            key = report["key"]
            for path in (per_query_path(other, key), report_path(other, key)):
                if not path.is_file():
                    raise WorkError(
                        f"{path} is missing, of the report {key}: nothing was merged. Run its "
                        "matrix again with --force, or delete what is there of the report"
                    )


def _show(conflicts: Sequence[Conflict]) -> None:
    rows = []
    for one in conflicts:
        values = [text for value, folder in one.values for text in (value, str(folder))]
        rows.append([one.key, one.label, one.entry, *values])
    print_table(["key", "cell", "entry", "here", "in", "there", "in"], rows)


def _say(text: str) -> None:
    terminal().print(text, highlight=False, markup=False, soft_wrap=True)
