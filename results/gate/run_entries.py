"""Run entries: the finished cells of a run folder in the form in which baselines hold them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.gate.baseline import Entry, Stored
from results.gate.outcome_lines import counted
from results.names import AXES, plain
from results.outcomes import Outcomes, read_outcomes
from results.seal import PER_QUERY
from results.signatures import NO_PART_OF_A_NUMBER
from results.store import ResultsError, failure_path, per_query_path, read_reports, unknown

MACHINE = ("platform", "device", "threads", "torch")
"""What must be equal before seconds are compared."""
LEADING = re.compile(r"\b(folder|dir|file|twin):(?:(?!\+twin:).)*/")
"""A path before its last part: folder:/data/photos@split=classes, twin:/data/a+twin:/data/b."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished cell, and the classes of its queries, which a baseline does not hold."""

    entry: Entry
    outcomes: Mapping[str, Outcomes]


def finished_cells(runs: Path, also: Collection[str] = ()) -> list[Finished]:
    """Read a run folder: each cell's last report, its headline metrics, and others that it has.

    Raises ResultsError where there are no reports, and where two cells differ in paths alone.
    """
    if not runs.is_dir():
        raise ResultsError(f"there is no run folder {runs}: give one with --runs, or bench run")
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for report in sorted(read_reports(runs), key=lambda report: str(report["finished"])):
        newest[tuple(report["job"].get(axis) for axis in AXES)] = report
    if not newest:
        raise ResultsError(f"there are no finished cells in {runs}: bench run makes some")
    cells: dict[str, Finished] = {}
    whole: dict[str, str] = {}
    for report in newest.values():
        cell = _finished(report, runs, also)
        label, dataset = cell.entry.label, f"{report['job']['dataset']}"
        if label in cells:
            raise ResultsError(
                f"{runs} has two cells {label}: {whole[label]} and {dataset}; of paths a baseline "
                "keeps the last part, so give them different names, or use a run folder for each"
            )
        cells[label], whole[label] = cell, dataset
    return sorted(cells.values(), key=lambda cell: cell.entry.label)


def failed_cells(runs: Path) -> dict[str, str]:
    """Message of every failed cell, by its label."""
    found = {}
    for path in sorted(failure_path(runs, "*").parent.glob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            failure = json.loads(path.read_text())
            label = " ".join(f"{axis}={value}" for axis, value in axes_of(failure["job"]).items())
            found[label] = f"{failure['error']}: {failure['message']}"
    return found


def axes_of(job: Mapping[str, Any]) -> dict[str, str]:
    """The axes that matter to a cell, as every machine calls them: of paths the last part alone."""
    return {axis: portable(plain(job[axis])) for axis in AXES if job.get(axis) is not None}


def portable(value: str) -> str:
    """folder:/home/me/photos -> folder:photos."""
    return LEADING.sub(r"\1:", text_of(value).rstrip("/"))


def text_of(value: Any) -> str:
    """A name as text that can be written; bytes of files' names that are none are spelled out."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def names_sha256(queries: Sequence[str]) -> str:
    """Hash the names of queries in their order."""
    text = "".join(f"{query}\n" for query in queries)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def check_metrics(asked: Sequence[str], entries: Sequence[Entry]) -> None:
    """Raise ResultsError for a metric that no entry has."""
    known = sorted({name for entry in entries for name in entry.metrics})
    for name in asked:
        if name not in known:
            raise unknown("metric", name, known)


def _finished(report: Mapping[str, Any], runs: Path, also: Collection[str]) -> Finished:
    measured = report["metrics"]
    names = dict.fromkeys([*report["headline"], *sorted(also)])
    path, sha256 = per_query_path(runs, report["key"]), report[PER_QUERY]
    outcomes = {name: read_outcomes(path, name, sha256) for name in names if name in measured}
    metrics = {
        name: Stored(measured[name], names_sha256(found.queries), counted(found.per_query))
        for name, found in outcomes.items()
    }
    cost, card = report["cost"], report["protocol"]
    seconds, machine = _work(report.get("stages", ()))
    entry = Entry(
        axes=axes_of(report["job"]),
        title=text_of(report["job"]["dataset_title"]),
        protocol={name: text_of(card[name]) for name in card if name not in NO_PART_OF_A_NUMBER},
        fingerprint=report["fingerprint"],
        weights=_weights(report),
        parameters=cost["parameters"],
        gmacs=cost["gmacs"],
        dims=cost.get("dims_measured", report["job"]["dims"]),
        metrics=metrics,
        seconds=seconds,
        machine=machine,
    )
    return Finished(entry, outcomes)


def _weights(report: Mapping[str, Any]) -> str:
    """sha256 1234…, pretrained deit_tiny…, scratch 0."""
    told = report.get("spec", {}).get("model", {}).get("weights", {})
    return ", ".join(f"{kind} {value}" for kind, value in told.items())


def _work(stages: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds by kind of stage, to two digits: a diff shall not show noise; and the machine."""
    notes = [(stage["kind"], stage["computed"]) for stage in stages if stage["computed"]]
    seconds: dict[str, float] = {}
    for kind, computed in notes:
        seconds[kind] = seconds.get(kind, 0.0) + computed["wall_seconds"]
    machines = [{name: str(computed.get(name)) for name in MACHINE} for _, computed in notes]
    alike = machines and all(machine == machines[0] for machine in machines)
    rounded = {kind: float(f"{value:.2g}") for kind, value in seconds.items()}
    return rounded, machines[0] if alike else {}
