"""References: which stages the cells of a run folder rest on, by the names of their leases.

A cell is what a plan noted, or what a report is of. Features are in no note, but follow from the
extraction and the pooling, so that neither data nor weights have to be there to know them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.identity import digest, features_spec
from bench.plan_notes import Noted, noted_cells
from registry.poolings import POOLINGS
from results.store import read_reports

MOST_VERSIONS = 20
"""Of a pooling that this version of the program does not know: no row has had so many."""


@dataclass(frozen=True)
class References:
    """Names of stages, as kind-key, by what becomes of the cells that rest on them."""

    needed: frozenset[str]
    """By cells that are still to be done."""
    done: frozenset[str]
    """By cells that have a report."""
    cells: frozenset[str]
    """Keys of all cells."""
    reported: frozenset[str]
    """Keys of those that have a report."""
    unclear: tuple[str, ...]
    """Labels of cells to be done of which nobody noted what they rest on."""

    @property
    def waiting(self) -> bool:
        """Whether any cell is still to be done."""
        return bool(self.cells - self.reported)


def references(runs: Path) -> References:
    """Read all plan notes and reports; raises WorkError or ResultsError where one is damaged."""
    noted = noted_cells(runs)
    needed, done, reported = set[str](), set[str](), set[str]()
    for report in read_reports(runs):
        reported.add(report["key"])
        done |= of_report(report)
    unclear = []
    for cell in noted:
        if cell.key not in reported and not cell.stages:
            unclear.append(cell.label)
        (done if cell.key in reported else needed).update(of_note(cell))
    return References(
        frozenset(needed),
        frozenset(done),
        frozenset(reported | {cell.key for cell in noted}),
        frozenset(reported),
        tuple(unclear),
    )


def of_note(cell: Noted) -> set[str]:
    """Names of the stages that a noted cell rests on."""
    return _with_features(cell.stages, cell.values.get("pooling"))


def of_report(report: Mapping[str, Any]) -> set[str]:
    """Names of the stages that a report rests on: those that it lists, and those it is made of."""
    spec = report["spec"]
    names = {f"{stage['kind'].lower()}-{stage['key']}" for stage in report.get("stages") or ()}
    names |= {f"{name}-{digest(content)}" for name, content in spec.items()}
    if "fit" in spec:
        names.add(f"features-{spec['fit']['features']}")
    if spec.get("scores", {}).get("distractors"):
        names.add(f"descriptors-{spec['scores']['distractors']}")
    return _with_features(names, report["job"].get("pooling"))


def _with_features(names: Collection[str], pooling: str | None) -> set[str]:
    """Add the features of each extraction among the names; of every pooling if none is known."""
    found = set(names)
    for name in names:
        kind, _, key = name.partition("-")
        if kind == "extraction":
            found |= set(_features(key, pooling))
    return found


def _features(extraction: str, pooling: str | None) -> Iterator[str]:
    for name in POOLINGS if pooling is None else [pooling]:
        newest = POOLINGS[name].version if name in POOLINGS else MOST_VERSIONS
        for version in range(1, newest + 1):
            yield f"features-{digest(features_spec(extraction, name, version))}"
