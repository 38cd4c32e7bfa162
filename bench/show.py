"""Show: everything about one cell, and the chain of stages that its number came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.chain import Link, chain_of
from bench.execution.artifacts import read_json
from bench.find import find_key, label_of
from bench.pages import Page
from bench.plan_notes import noted_cells
from bench.sizes import said
from registry.errors import UsageError
from results.store import failure_path, read_reports, report_path

Content = Mapping[str, Any]


def show_cell(given: str, runs: Path, *, as_json: bool) -> None:
    """Print the one cell that is meant: its report, or why it failed, or that it is not done."""
    labels = _labels(runs)
    if not labels:
        raise UsageError(f"no cell was ever asked for in {runs}: bench run, or another --runs")
    key = find_key(labels, given, "cell", by_label=True)
    report = next(read_reports(runs, [key]), None)
    failure = None
    if report is None and failure_path(runs, key).is_file():
        failure = read_json(failure_path(runs, key))
    state = "done" if report else "failed" if failure else "not done"
    chain = chain_of(report, runs) if report else []
    if as_json:
        facts = {"key": key, "label": labels[key], "state": state}
        stages = [asdict(link) | {"gone": link.gone} for link in chain]
        content = {**facts, "report": report, "stages": stages, "failure": failure}
        return print(json.dumps(content, indent=1))
    page = Page()
    page.section(labels[key], {"key": key, "state": state})
    if report:
        _report(page, report, chain, runs)
    elif failure:
        _failure(page, failure, runs)
    else:
        page.text("bench status says more; bench run with its matrix does it")
    return None


def _labels(runs: Path) -> dict[str, str]:
    """Key -> label of every cell: noted, failed or done."""
    labels = {cell.key: cell.label for cell in noted_cells(runs)}
    for path in sorted((runs / "failures").glob("*.json")):
        labels[path.stem] = label_of(read_json(path).get("job", {}))
    return labels | {report["key"]: label_of(report["job"]) for report in read_reports(runs)}


def _report(page: Page, report: Content, chain: Iterable[Link], runs: Path) -> None:
    path = report_path(runs, report["key"])
    page.more({"report": str(path), "finished": report["finished"]})
    page.section("Job", report["job"])
    page.section("Metrics", _metrics(report))
    page.section("Marks", {"marks": ", ".join(report["marks"]) or "none"})
    signed = {"signature": report["signature"], "fingerprint": report["fingerprint"]}
    page.section("Protocol", {**report["protocol"], **signed})
    page.section("Cost", report["cost"])
    page.section("Counts", report["counts"])
    page.section("Environment", report["environment"])
    for number, link in enumerate(chain, start=1):
        page.section(f"Stage {number}: {link.kind} {link.key}", _stage(link, runs))


def _metrics(report: Content) -> dict[str, str]:
    """Those by which the field quotes the dataset first; bounds where ties leave any."""
    names = dict.fromkeys([*report["headline"], *sorted(report["metrics"])])
    rows = {}
    for name in names:
        value = report["metrics"][name]
        lower, upper = report["bounds"].get(name, (value, value))
        tied = f", by the order of ties {lower!r} to {upper!r}" if lower != upper else ""
        rows[name] = f"{100 * value:.2f} % ({value!r}{tied})"
    return rows


def _stage(link: Link, runs: Path) -> dict[str, Any]:
    """What is left of a stage, who computed it and what it is made of."""
    if link.artifact is None:
        rows: dict[str, Any] = {"artifact": "none: it leaves nothing of its own"}
    elif link.bytes is None:
        rows = {"artifact": f"{runs / link.artifact} (gone)"}
    else:
        rows = {"artifact": f"{runs / link.artifact} ({said(link.bytes)})"}
    computed = dict(link.computed)
    if not computed:
        rows["computed"] = "not noted"
    for name in [name for name in computed if name.endswith("bytes") and computed[name]]:
        computed[name] = said(computed[name])
    for name in [name for name in computed if name.endswith("seconds")]:
        computed[name] = "-" if computed[name] is None else f"{computed[name]:.6g} s"
    if computed.get("log"):
        computed["log"] = _log(runs, computed["log"])
    return rows | {_words(name): value for name, value in computed.items()} | _spec(link)


def _spec(link: Link) -> dict[str, Any]:
    return {f"spec.{name}": value for name, value in link.spec.items()}


def _failure(page: Page, failure: Content, runs: Path) -> None:
    facts = {
        "error": failure.get("error"),
        "message": failure.get("message"),
        "stage": failure.get("stage") or "not noted",
        "log": _log(runs, failure["log"]) if failure.get("log") else "not noted",
        "failure": str(failure_path(runs, str(failure.get("key")))),
    }
    page.section("Failure", facts)
    page.section("Job", failure.get("job", {}))
    page.section("Traceback", {})
    page.text(str(failure.get("traceback", "not noted")).rstrip())


def _log(runs: Path, log: str) -> str:
    path = runs / log
    return str(path) if path.is_file() else f"{path} (gone)"


def _words(name: str) -> str:
    return name.replace("_", " ")
