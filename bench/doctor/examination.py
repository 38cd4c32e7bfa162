"""Examination: every check of one dataset, in order, and the record that is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.doctor.files import check_files, content_hash
from bench.doctor.finding import Finding, ok
from bench.doctor.inspection import Inspection
from bench.doctor.lists import check_lists
from bench.doctor.records import record_path, slug
from bench.doctor.sanity import check_sanity, sanity_queries
from bench.doctor.scan import scan
from bench.execution.artifacts import write_json
from bench.identity import digest
from bench.image_identity import image_identity
from registry.datasets import Dataset
from registry.datasets.counts import Counts, counts_of
from registry.datasets.split import Images, Split
from registry.errors import BenchError

Step = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""Progress of one step: name, total, unit."""


@dataclass(frozen=True)
class Examination:
    """What the doctor says of a dataset."""

    row: Dataset
    root: Path | None
    """The dataset's folder; None where there is none."""
    counts: Counts | None
    findings: Sequence[Finding]
    fingerprint: str = ""
    """Of lists and images, as in every report."""
    content: str = ""
    """Hash of every image's bytes."""

    @property
    def problems(self) -> list[Finding]:
        """What is wrong."""
        return [finding for finding in self.findings if finding.verdict == "problem"]

    @property
    def line(self) -> str:
        """All of it in one line: OK, or what is wrong and what to do."""
        if not self.problems:
            notes = sum(finding.verdict == "note" for finding in self.findings)
            noted = f", {notes} note{'s' if notes > 1 else ''}" if notes else ""
            return f"{self.row.name}: OK{noted} (fingerprint {self.fingerprint})"
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more problems)" if len(self.problems) > 1 else ""
        advice = f"; {first.advice}" if first.advice else ""
        return f"{self.row.name}: NOT OK: {first.check}: {first.text}{advice}{more}"


def examine(row: Dataset, data: Path, records: Path, *, workers: int, step: Step) -> Examination:
    """Check a dataset from its lists to its scores; keeps a record of it under records."""
    try:
        root = row.prepare(data)
        split = row.parse(root)
    except BenchError as error:
        why = str(error).removeprefix(f"{row.name}: ")
        return _kept(Examination(row, None, None, [Finding("folder", "problem", why)]), records)
    found = counts_of(split)
    findings = [ok("folder", str(root)), *check_lists(row, split, found)]
    state = records / f"{slug(row.name)}.scan.jsonl"
    with step(f"reading {row.title}", _images(split), "images") as advance:
        train = _scanned(split.train, state, workers, advance)
        test = _scanned(split.evaluated, state, workers, advance)
    findings += check_files(row, split, train, test, root)
    if any(finding.verdict == "problem" for finding in findings):
        findings.append(Finding("scores", "note", "not tested, as long as there are problems"))
    elif len(split.queries):
        with step(f"scoring {row.title}", sanity_queries(split), "queries") as advance:
            findings += check_sanity(row, split, advance)
    state.unlink(missing_ok=True)  # complete: the next examination reads everything again
    examination = Examination(
        row=row,
        root=root,
        counts=found,
        findings=findings,
        fingerprint=digest(image_identity(row, data)),
        content=content_hash(train, test),
    )
    return _kept(examination, records)


def _kept(examination: Examination, records: Path) -> Examination:
    path = record_path(records, examination.row.name)
    write_json(path, record(examination), option="--out")
    return examination


def record(examination: Examination) -> dict[str, Any]:
    """What a machine reads."""
    return {
        "dataset": examination.row.name,
        "folder": str(examination.root),
        "ok": not examination.problems,
        "line": examination.line,
        "counts": {
            "found": asdict(examination.counts) if examination.counts else None,
            "expected": asdict(examination.row.counts),
        },
        "fingerprint": examination.fingerprint,
        "content": examination.content,
        "findings": [asdict(finding) for finding in examination.findings],
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _images(split: Split) -> int:
    return (len(split.train) if split.train else 0) + len(split.evaluated)


def _scanned(
    images: Images | None, state: Path, workers: int, advance: Callable[[int], None]
) -> list[Inspection]:
    if images is None or not len(images):
        return []
    return scan(images, state, workers=workers, advance=advance)
