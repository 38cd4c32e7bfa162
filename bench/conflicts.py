"""Conflicts: reports of several run folders that give one key different numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.find import label_of
from results.store import read_reports

COMPARED = ("metrics", "bounds", "counts", "spec")
"""Sections that say what was measured and what came out; not when, where and at what cost."""
GONE = "-"


@dataclass(frozen=True)
class Conflict:
    """One entry that two reports of one key do not agree on."""

    key: str
    label: str
    entry: str
    """metrics r@1, spec model.weights …"""
    values: tuple[tuple[str, Path], tuple[str, Path]]
    """Both, exactly, each with the run folder that says so."""


def conflicts_of(runs: Path, others: Sequence[Path]) -> list[Conflict]:
    """Compare all reports; raises ResultsError for one that is damaged or of another schema."""
    known: dict[str, tuple[Mapping[str, Any], Path]] = {}
    found: list[Conflict] = []
    for folder in (runs, *others):
        for report in read_reports(folder):
            first, where = known.setdefault(report["key"], (report, folder))
            label = label_of(first["job"])
            for entry, here, there in differences(first, report):
                values = (here, where), (there, folder)
                found.append(Conflict(report["key"], label, entry, values))
    return found


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield (entry, value, other value) of whatever differs; equal to the last bit is equal."""
    for section in COMPARED:
        here, there = (dict(_flat(one.get(section))) for one in (first, second))
        for name in dict.fromkeys([*here, *there]):
            values = here.get(name, GONE), there.get(name, GONE)
            if values[0] != values[1]:
                yield f"{section} {name}".strip(), *values


def _flat(content: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, value as it is written) of everything in nested mappings."""
    if isinstance(content, Mapping) and content:
        for key, value in content.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, repr(content)
