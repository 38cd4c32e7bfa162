"""Baseline update: what a new baseline says otherwise than the old one, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from results.gate.baseline import Entry, Stored
from results.gate.changes import changes, metric_name
from results.gate.view import short_name, shown, telling_axes


def update_lines(old: Sequence[Entry], new: Sequence[Entry]) -> list[str]:
    """List added, removed and changed cells, old -> new; how many are as before stands last."""
    axes = telling_axes([*old, *new])
    before = {entry.label: entry for entry in old}
    after = {entry.label: entry for entry in new}
    lines = [
        f"- {short_name(entry, axes)}: removed, the run has no such cell"
        for label, entry in before.items()
        if label not in after
    ]
    same = 0
    for label, entry in after.items():
        if label not in before:
            lines.append(f"+ {short_name(entry, axes)}: added, {_values(entry.metrics)}")
            continue
        told = [shown(text) for text in _changed(before[label], entry)]
        lines += [f"~ {short_name(entry, axes)}: {text}" for text in told]
        same += not told
    return [*lines, f"{same} of {len(after)} cells as before"]


def _changed(old: Entry, new: Entry) -> Iterator[str]:
    yield from changes(old, new)
    for name, stored in new.metrics.items():
        if name not in old.metrics:
            yield f"added, {_values({name: stored})}"
            continue
        before, after = (100 * found.value for found in (old.metrics[name], stored))
        if before != after:
            yield f"{metric_name(name)} {before:.2f} -> {after:.2f} ({after - before:+.2f})"
        elif old.metrics[name].outcomes.tolist() != stored.outcomes.tolist():
            yield f"{metric_name(name)} {after:.2f} as before, of other queries"


def _values(metrics: Mapping[str, Stored]) -> str:
    pairs = metrics.items()
    return ", ".join(f"{metric_name(name)} {100 * stored.value:.2f}" for name, stored in pairs)
