"""Find: the report that a key, or the beginning of one, stands for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.find import find_key, label_of
from registry.errors import UsageError
from results.store import read_reports


def find_report(runs: Path, key: str) -> Mapping[str, Any]:
    """Read one report; raises UsageError for keys that are none, or the beginning of several."""
    labels = {report["key"]: label_of(report["job"]) for report in read_reports(runs)}
    if not labels:
        raise UsageError(f"there are no finished cells in {runs}: bench run makes some, or --runs")
    (report,) = read_reports(runs, [find_key(labels, key, "report")])
    return report
