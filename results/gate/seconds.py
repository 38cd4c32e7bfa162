"""Seconds: what cells took, compared where both were computed on one machine, else not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from results.gate.baseline import Entry

LEAST = 1.0
"""Seconds of a cell below which its times are mostly noise."""
NOTED = 1.5
"""By which factor a cell must be slower to be noted."""


def slowness(old: Entry, new: Entry, most: float | None) -> str | None:
    """Say by how much a cell is slower than it may be; None where it is not."""
    seconds = _both(old, new)
    if most is None or seconds is None or seconds[1] <= most * seconds[0]:
        return None
    return f"slower: {_told(*seconds)}, more than {most:g} times"


def time_notes(pairs: Sequence[tuple[Entry, Entry]]) -> list[str]:
    """Say how many cells took longer, the worst in figures, and why others are not compared."""
    apart = Counter(why for why in (_another_machine(*pair) for pair in pairs) if why)
    notes = [f"times of {cells(count)} are not compared: {why}" for why, count in apart.items()]
    compared = [seconds for seconds in (_both(*pair) for pair in pairs) if seconds]
    slow = [seconds for seconds in compared if seconds[1] > NOTED * seconds[0]]
    if slow:
        worst = max(slow, key=lambda seconds: seconds[1] / seconds[0])
        notes.append(f"slower by more than {NOTED:g} times: {cells(len(slow))}, {_told(*worst)}")
    return notes


def cells(count: int) -> str:
    """1 cell, 2 cells."""
    return f"{count} cell" if count == 1 else f"{count} cells"


def _another_machine(old: Entry, new: Entry) -> str | None:
    """Say why seconds of two entries are not comparable; None where they are."""
    if not old.machine or not new.machine:
        return "their stages were computed on several machines, or nobody noted where"
    moved = [
        f"{name} {old.machine.get(name)} -> {new.machine.get(name)}"
        for name in dict.fromkeys([*old.machine, *new.machine])
        if old.machine.get(name) != new.machine.get(name)
    ]
    return f"another machine ({', '.join(moved)})" if moved else None


def _both(old: Entry, new: Entry) -> tuple[float, float] | None:
    """Seconds of the stages that both have; None where they mean nothing."""
    kinds = [kind for kind in old.seconds if kind in new.seconds]
    before = sum(old.seconds[kind] for kind in kinds)
    if _another_machine(old, new) or before < LEAST:
        return None
    return before, sum(new.seconds[kind] for kind in kinds)


def _told(before: float, after: float) -> str:
    return f"{before:.3g} s -> {after:.3g} s ({after / before:.1f} times)"
