"""Baseline: numbers that a later run is held to, in one small file that people review in diffs.

A JSON of entries sorted by their axes, outcomes in lines (results.gate.outcome_lines). It has no
checksum and no paths: identities of datasets are in the protocol cards.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.gate.outcome_lines import WHOLE, decoded, encoded
from results.names import AXES
from results.outcomes import Places
from results.store import ResultsError

KIND, FORMAT = "retrieval-bench baseline", 1
ROUNDED = 1 / WHOLE
"""How far the mean of outcomes in ten-thousandths may lie from the metric."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A metric of one cell and, query by query, what it is the mean of."""

    value: float
    """A fraction."""
    queries_sha256: str
    """Of the names of the queries in their order: only outcomes of the same ones are paired."""
    outcomes: Places
    """(Q,) ten-thousandths."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One cell: what it is, how it was measured, and what came out."""

    axes: Mapping[str, str]
    """Those that matter to the cell, in the order of AXES, of paths the last part alone."""
    title: str
    """Of the dataset."""
    protocol: Mapping[str, str]
    """The card, but for what says nothing of the numbers."""
    fingerprint: str
    weights: str
    """What the network started from: a tag, a seed or the hash of a file."""
    parameters: int
    gmacs: float
    dims: int
    """As measured."""
    metrics: Mapping[str, Stored]
    seconds: Mapping[str, float]
    """Of each kind of stage."""
    machine: Mapping[str, str]
    """Where those were measured; empty where it was on several."""

    @property
    def label(self) -> str:
        """axis=value …: what the same cell of another run is found by."""
        return " ".join(f"{axis}={value}" for axis, value in self.axes.items())


def baseline_text(entries: Sequence[Entry]) -> str:
    """Write a baseline, the same text for the same entries."""
    cells = [_written(entry) for entry in sorted(entries, key=lambda entry: entry.label)]
    content = {"kind": KIND, "format": FORMAT, "cells": cells}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_baseline(path: Path) -> list[Entry]:
    """Read a baseline; raises ResultsError where there is none, or it is none, saying why."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except FileNotFoundError:
        raise ResultsError(
            f"there is no baseline {path}: bench check {path} --update makes one of a run"
        ) from None
    except (OSError, ValueError) as error:
        raise ResultsError(f"cannot read the baseline {path}: {error}") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ResultsError(f"{path} is no baseline: bench check FILE --update writes one")
    if content.get("format") != FORMAT:
        raise ResultsError(
            f"the baseline {path} has format {content.get('format')!r}, this version reads "
            f"{FORMAT}: use the version that wrote it, or delete it and make it anew with --update"
        )
    cells = content.get("cells")
    if not isinstance(cells, list) or not cells:
        raise ResultsError(
            f"the baseline {path} has no cells: delete it and make it anew with --update"
        )
    entries = [_entry(cell, f"{path}, cell {number}") for number, cell in enumerate(cells, 1)]
    for label, count in Counter(entry.label for entry in entries).items():
        if count > 1:
            raise ResultsError(f"the baseline {path} has {count} cells {label}: keep one")
    return entries


def _written(entry: Entry) -> dict[str, Any]:
    metrics = {
        name: {
            "value": stored.value,
            "queries": len(stored.outcomes),
            "queries_sha256": stored.queries_sha256,
            **encoded(stored.outcomes),
        }
        for name, stored in entry.metrics.items()
    }
    return {**vars(entry), "metrics": metrics}


def _entry(cell: Any, where: str) -> Entry:
    """Read one cell; whatever is not as it was written is told with its place."""
    try:
        entry = Entry(
            axes=_axes(_texts(cell["axes"])),
            title=str(cell["title"]),
            protocol=_texts(cell["protocol"]),
            fingerprint=str(cell["fingerprint"]),
            weights=str(cell["weights"]),
            parameters=int(cell["parameters"]),
            gmacs=float(cell["gmacs"]),
            dims=int(cell["dims"]),
            metrics={name: _stored(name, told) for name, told in cell["metrics"].items()},
            seconds={kind: float(value) for kind, value in cell["seconds"].items()},
            machine=_texts(cell["machine"]),
        )
    except KeyError as error:
        raise _edited(where, f"it lacks {error}") from error
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise _edited(where, str(error)) from error
    return entry


def _axes(told: Mapping[str, str]) -> dict[str, str]:
    """Bring axes into their order."""
    unknown = sorted(set(told) - set(AXES))
    if unknown:
        raise ValueError(f"there is no axis {unknown[0]}")
    return {axis: told[axis] for axis in AXES if axis in told}


def _stored(name: str, told: Mapping[str, Any]) -> Stored:
    value, queries = float(told["value"]), int(told["queries"])
    try:
        if queries < 1:
            raise ValueError("it has no queries")
        outcomes = decoded(told, queries)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
    mean = float(outcomes.mean()) / WHOLE
    if not math.isclose(mean, value, rel_tol=0, abs_tol=ROUNDED):
        raise ValueError(f"{name} is {value:.4f}, but the mean of its outcomes {mean:.4f}")
    return Stored(value, str(told["queries_sha256"]), outcomes)


def _texts(told: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in told.items()}


def _edited(where: str, why: str) -> ResultsError:
    return ResultsError(
        f"{where} was changed by hand, or in a merge, into what is no baseline ({why}): restore "
        "it, or delete it and make it anew with --update"
    )


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
