"""Find: the report that a key, or the beginning of one, stands for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.job import Job
from registry.errors import UsageError
from results.store import read_reports

MOST_SHOWN = 20


def find_report(runs: Path, key: str) -> Mapping[str, Any]:
    """Read one report; raises UsageError for keys that are none, or the beginning of several."""
    labels = {report["key"]: _label(report) for report in read_reports(runs)}
    if not labels:
        raise UsageError(f"there are no finished cells in {runs}: bench run makes some, or --runs")
    found = [known for known in labels if key and known.startswith(key)]
    if not found:
        near = difflib.get_close_matches(key, labels, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        named = [known for known, label in labels.items() if key in label] or list(labels)
        raise UsageError(f"unknown report {key!r}{hint}; known are{_listed(labels, named)}")
    if len(found) > 1:
        raise UsageError(
            f"{key!r} begins the keys of {len(found)} reports, type more of one:"
            f"{_listed(labels, found)}"
        )
    (report,) = read_reports(runs, found)
    return report


def _listed(labels: Mapping[str, str], keys: Sequence[str]) -> str:
    shown = [f"\n  {key}  {labels[key]}" for key in keys[:MOST_SHOWN]]
    more = len(keys) - len(shown)
    return "".join(shown) + (f"\n  and {more} more; part of a label lists its own" if more else "")


def _label(report: Mapping[str, Any]) -> str:
    return Job(**{axis.name: report["job"].get(axis.name) for axis in fields(Job)}).label
