"""Changes: what makes a run's cell another one than the baseline's, whatever its numbers say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from results.gate.baseline import Entry, Stored
from results.names import AXES, metric_label

VERSIONS = ("versions", "row_versions")
"""Protocol fields that list numbers of this program's parts: only those that differ are named."""
IMAGES = "dataset_fingerprint"
SAME = 1e-6
"""Relative: GMACs are counted, not measured."""
MOST_APART, MOST_NAMED = 2, 3
HASHES, SHOWN = re.compile(r"\b[0-9a-f]{16,}\b"), 8
MEANT = "if that is meant, --update takes it over"


def changes(old: Entry, new: Entry) -> list[str]:
    """Say what differs in protocol, size and queries; nothing where the two can be compared."""
    return [*_protocol(old, new), *_size(old, new), *_queries(old, new)]


def metric_name(metric: str) -> str:
    """A metric in a sentence: R@1, mAP M."""
    label = metric_label(metric)
    return f"mAP {label}" if metric.startswith("map_") else label


def same_queries(old: Stored, new: Stored) -> bool:
    """Whether two outcomes can be paired."""
    alike = old.queries_sha256 == new.queries_sha256
    return alike and len(old.outcomes) == len(new.outcomes)


def missing(old: Entry, others: Sequence[Entry], failures: Mapping[str, str]) -> str:
    """Say why a cell could be missing: it failed, or one of the run's new cells was meant."""
    if old.label in failures:
        return f"missing: it failed ({failures[old.label]}); bench status says more"
    apart = [(_apart(old, other), other) for other in others]
    fewest = min((len(axes) for axes, _ in apart), default=MOST_APART + 1)
    if fewest > MOST_APART:
        return "missing: the run has no such cell; bench run its matrix, or --update leaves it out"
    near = dict.fromkeys(_moved(old, other, axes) for axes, other in apart if len(axes) == fewest)
    return f"missing; the run has, in its place, {' or '.join([*near][:MOST_NAMED])}; {MEANT}"


def weights_notes(old: Entry, new: Entry) -> list[str]:
    """Say that a network starts from other weights: what a gate is there to judge, no failure."""
    if old.weights == new.weights:
        return []
    return [f"other weights: {_short(old.weights)} -> {_short(new.weights)}"]


def _protocol(old: Entry, new: Entry) -> Iterator[str]:
    names = dict.fromkeys([*old.protocol, *new.protocol])
    cards = (old.protocol, new.protocol)
    said = {name: [card.get(name, "unsaid") for card in cards] for name in names}
    differing = {name: texts for name, texts in said.items() if texts[0] != texts[1]}
    if IMAGES in differing:
        before, after = differing.pop(IMAGES)
        yield (
            f"another version of the dataset: its lists or images are {_short(after)}, the "
            f"baseline's were {_short(before)}"
        )
    told = [_field(name, *texts) for name, texts in differing.items()]
    if told:
        meant = f" ({MEANT})" if set(differing) <= set(VERSIONS) else ""
        yield f"protocol changed: {'; '.join(told)}{meant}"


def _field(name: str, before: str, after: str) -> str:
    """ties: expected -> optimistic; versions: scores 2 -> 3."""
    if name not in VERSIONS:
        return f"{name}: {before} -> {after}"
    olds, news = _numbers(before), _numbers(after)
    moved = [
        f"{part} {olds.get(part, 'none')} -> {news.get(part, 'none')}"
        for part in dict.fromkeys([*olds, *news])
        if olds.get(part) != news.get(part)
    ]
    return f"{name}: {', '.join(moved) or f'{before} -> {after}'}"


def _numbers(text: str) -> dict[str, str]:
    """training 1, scores 2 -> the number of each part."""
    parts = (part.rpartition(" ") for part in text.split(", "))
    return {name: number for name, _, number in parts}


def _size(old: Entry, new: Entry) -> Iterator[str]:
    if old.parameters != new.parameters:
        yield f"parameters: {old.parameters:,} -> {new.parameters:,}"
    if not math.isclose(old.gmacs, new.gmacs, rel_tol=SAME):
        yield f"GMACs: {old.gmacs:.6g} -> {new.gmacs:.6g}"
    if old.dims != new.dims:
        yield f"measured dims: {old.dims} -> {new.dims}"


def _queries(old: Entry, new: Entry) -> Iterator[str]:
    """Metrics of one cell have the same queries, but for landmarks without a positive."""
    told: dict[str, list[str]] = {}
    for name, stored in old.metrics.items():
        found = new.metrics.get(name)
        if found is None:
            told.setdefault("the run does not have it", []).append(name)
        elif not same_queries(stored, found):
            told.setdefault(_other_queries(stored, found), []).append(name)
    for what, names in told.items():
        yield f"{', '.join(map(metric_name, names))}: {what}"


def _other_queries(old: Stored, new: Stored) -> str:
    before, after = len(old.outcomes), len(new.outcomes)
    if before != after:
        return f"other queries: {before:,} -> {after:,}"
    return f"other queries: {after:,} as before, but not the same, or in another order"


def _apart(old: Entry, other: Entry) -> list[str]:
    return [axis for axis in AXES if old.axes.get(axis) != other.axes.get(axis)]


def _moved(old: Entry, other: Entry, axes: Sequence[str]) -> str:
    """crop: box -> none."""
    moves = [f"{axis}: {old.axes.get(axis, '-')} -> {other.axes.get(axis, '-')}" for axis in axes]
    return ", ".join(moves)


def _short(text: str) -> str:
    """Of hashes the beginning."""
    return HASHES.sub(lambda found: found[0][:SHOWN], text)
