"""A finished run folder beside that of an undisturbed run: what is lost, doubled, different, left.

Reads files alone, as anyone could: RUNS/reports, RUNS/artifacts, RUNS/log, RUNS/leases.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

EQUAL = ["key", "job", "spec", "metrics", "bounds", "headline", "counts", "cost", "marks"]
EQUAL += ["protocol", "signature", "fingerprint", "fingerprint_fields"]
"""What two reports on the same cell must have in common; times and environments differ."""
BITS = {".npy", ".npz", ".safetensors"}
"""Files of artifacts that hold nothing but numbers."""
UNFINISHED = ".unfinished-*"
COMPUTED = re.compile(r"\S+ computed ([A-Z]\w+ [0-9a-f]{16})")
OF_A_STAGE = re.compile(r"[a-z]+-[0-9a-f]{16}")
"""Names of logs that hold what a stage printed, not who computed what."""


@dataclass
class Comparison:
    """What was compared, what is wrong, and what is odd but harms nobody."""

    reports: int = 0
    parquets: int = 0
    artifacts: int = 0
    arrays: int = 0
    computed: int = 0
    """Lines of the log: a stage each."""
    differences: list[str] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)


def compare(undisturbed: Path, disturbed: Path) -> Comparison:
    """Compare two finished run folders whose runs have all ended."""
    found = Comparison()
    _reports(undisturbed / "reports", disturbed / "reports", found)
    _artifacts(undisturbed / "artifacts", disturbed / "artifacts", found)
    _log(disturbed, found)
    _leftovers(disturbed, found)
    return found


def published(runs: Path) -> int:
    """Count what is finished in a run folder: it grows with the work, and with nothing else."""
    return len(artifacts(runs / "artifacts")) + len(list((runs / "reports").glob("*.json")))


def artifacts(root: Path) -> set[str]:
    """Name every artifact: its folder and key."""
    found = (path.relative_to(root).as_posix() for path in root.glob("*/*"))
    return {name for name in found if "/." not in name}


def computed(runs: Path) -> Counter[str]:
    """Count how often each stage was computed, says the log: "Kind key" -> times."""
    lines = Counter[str]()
    for path in (runs / "log").glob("*-*.log"):
        if not OF_A_STAGE.fullmatch(path.stem):
            found = map(COMPUTED.fullmatch, path.read_text(errors="replace").splitlines())
            lines.update(match[1] for match in found if match)
    return lines


def _reports(wanted: Path, there: Path, found: Comparison) -> None:
    names = _same_names("report", _names(wanted, "*.json"), _names(there, "*.json"), found)
    for name in names:
        found.reports += 1
        one, other = (json.loads((folder / name).read_text()) for folder in (wanted, there))
        for entry in EQUAL:
            if _text(one.get(entry)) != _text(other.get(entry)):
                found.differences.append(f"report {name}: {entry} differs")
    names = _same_names("Parquet", _names(wanted, "*.parquet"), _names(there, "*.parquet"), found)
    for name in names:
        found.parquets += 1
        if not _same_tables(wanted / name, there / name):
            found.differences.append(f"Parquet {name} differs")


def _same_tables(one: Path, other: Path) -> bool:
    """Compare bytes first: a NaN is not equal to itself."""
    same = one.read_bytes() == other.read_bytes()
    return same or pq.read_table(one).equals(pq.read_table(other))


def _text(entry: object) -> str:
    """Write it in JSON: equal texts are numbers equal to the last bit, NaN included."""
    return json.dumps(entry, sort_keys=True)


def _names(folder: Path, pattern: str) -> set[str]:
    return {path.name for path in folder.glob(pattern) if not path.name.startswith(".")}


def _same_names(what: str, wanted: set[str], there: set[str], found: Comparison) -> list[str]:
    found.differences += [f"{what} {name} is lost" for name in sorted(wanted - there)]
    found.differences += [f"{what} {name} should not be there" for name in sorted(there - wanted)]
    return sorted(wanted & there)


def _artifacts(wanted: Path, there: Path, found: Comparison) -> None:
    for name in _same_names("artifact", artifacts(wanted), artifacts(there), found):
        found.artifacts += 1
        files = {path.name for path in (wanted / name).iterdir()}
        others = {path.name for path in (there / name).iterdir()}
        for file in _same_names(f"artifact {name}: file", files, others, found):
            if Path(file).suffix in BITS:
                found.arrays += 1
                if (wanted / name / file).read_bytes() != (there / name / file).read_bytes():
                    found.differences.append(f"artifact {name}: {file} differs")


def _log(runs: Path, found: Comparison) -> None:
    lines = computed(runs)
    found.computed = lines.total()
    found.differences += [
        f"{stage} was computed {times} times" for stage, times in lines.items() if times > 1
    ]
    keys = {stage.split()[1] for stage in lines}
    unlogged = [name for name in artifacts(runs / "artifacts") if Path(name).name not in keys]
    found.odd["artifacts published but not logged"] += len(unlogged)


def _leftovers(runs: Path, found: Comparison) -> None:
    """Look for what dead processes left; hidden files are nobody's lease, and are counted."""
    for path in _inside(runs / "leases"):
        if path.name.startswith("."):
            found.odd["drafts of leases"] += 1
        else:
            found.differences.append(f"lease {path.name} was left, and nobody is at work")
    reports = {path.stem for path in (runs / "reports").glob("*.json")}
    failures = {path.stem for path in (runs / "failures").glob("*.json")}
    found.odd["failures beside a report"] += len(failures & reports)
    found.odd["checkpoints of finished trainings"] += len(list(_inside(runs / "checkpoints")))
    found.odd[UNFINISHED] += sum(1 for _ in runs.rglob(UNFINISHED))


def _inside(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.iterdir())) if folder.is_dir() else iter(())
