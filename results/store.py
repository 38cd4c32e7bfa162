"""Store: one JSON file per finished job, and a small Parquet of per-query outcomes beside it.

A report is there if and only if its job finished. results.load(DIR) reads them all::

    frame = results.load("runs")
    frame.groupby(["backbone", "dims"])["r@1"].mean()
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.seal import PER_QUERY, is_intact

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 6
WHOLE = ("signature", "fingerprint", "fingerprint_fields", "headline", "marks", "finished")
"""Entries of a report that become one column each."""


class ResultsError(Exception):
    """A question that the reports cannot answer, or a report that cannot be read."""

    exit_code = 2


def unknown(what: str, given: str, known: Collection[str]) -> ResultsError:
    """Say what was given, the nearest known names, and all known ones."""
    near = difflib.get_close_matches(given, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ResultsError(f"unknown {what} {given!r}{hint} (known: {', '.join(known)})")


class DamagedReportError(ResultsError):
    """A report that cannot be read."""

    exit_code = 1


def reports_folder(runs: Path) -> Path:
    """Folder of the reports."""
    return runs / "reports"


def report_path(runs: Path, key: str) -> Path:
    """File of a job's report."""
    return reports_folder(runs) / f"{key}.json"


def per_query_path(runs: Path, key: str) -> Path:
    """File of a job's per-query outcomes: a row per query, a column per metric."""
    return reports_folder(runs) / f"{key}.parquet"


def failure_path(runs: Path, key: str) -> Path:
    """File that says why a job failed last; gone once it succeeds."""
    return runs / "failures" / f"{key}.json"


def read_reports(runs: Path, keys: Collection[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield every report, or those of some keys, in the order of their keys."""
    for path in sorted(reports_folder(runs).glob("*.json")):
        if keys is not None and path.stem not in keys:
            continue
        try:
            report = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise DamagedReportError(
                f"cannot read the report {path} ({error}): delete it and run its matrix again"
            ) from error
        schema = report.get("schema") if isinstance(report, dict) else None
        if schema != SCHEMA:
            raise DamagedReportError(
                f"the report {path} has schema {schema!r}, this version reads "
                f"{SCHEMA}: delete it, and others of before, and run their matrix again (what they "
                "rest on is kept, so it takes seconds)"
            )
        if not is_intact(report):
            raise DamagedReportError(
                f"the report {path} was changed after it was written (its checksum is wrong): "
                "restore it, or delete it and run its matrix again"
            )
        yield report


def flatten(report: dict[str, Any]) -> dict[str, Any]:
    """One row: axes, metrics and costs by their own names, the rest as section.name.

    bounds.METRIC.lower and .upper: the metric in the worst and the best order of ties.
    """
    row: dict[str, Any] = {"key": report["key"], PER_QUERY: report[PER_QUERY]}
    for section in ("job", "metrics", "cost", "training"):
        row.update(report[section])
    for section in ("protocol", "counts", "environment"):
        row.update({f"{section}.{name}": value for name, value in report[section].items()})
    for metric, (lower, upper) in report["bounds"].items():
        row |= {f"bounds.{metric}.lower": lower, f"bounds.{metric}.upper": upper}
    return row | {name: report[name] for name in WHOLE}


def load(runs: str | Path, keys: Collection[str] | None = None) -> pd.DataFrame:
    """Read the reports under a run folder into a tidy DataFrame, a row per job.

    Metrics are fractions, NaN where a dataset does not have them. per_query is the file of the
    per-query outcomes (results.outcomes reads them).
    """
    import pandas as pd

    folder = Path(runs)
    if not folder.is_dir():
        raise ResultsError(f"there is no run folder {folder}: give one with --runs, or bench run")
    rows = [
        {**flatten(report), "per_query": str(per_query_path(folder, report["key"]))}
        for report in read_reports(folder, keys)
    ]
    return pd.DataFrame(rows)
