"""Axes of an analysis: what varies among cells, and which axes cannot be told from each other.

Legend: C cells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from results.names import plain
from results.outcomes import Places

Texts = Sequence[str | None]
"""(C,) values of an axis; None where it does not matter to a cell."""
Levels = Mapping[str, Texts]
NUMBER = re.compile(r"(\d+(?:\.\d+)?)")
NOWHERE = -1
"""Instead of a value's place, where an axis does not matter."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One thing that varies, with the axes that follow from it."""

    names: tuple[str, ...]
    """The axis itself, then those that have one value for each of its values."""
    values: tuple[str, ...]
    """Sorted, numbers as numbers; of several axes joined by blanks: resnet50 gem."""
    places: Places
    """(C,) place of each cell's value, or NOWHERE."""

    @property
    def name(self) -> str:
        """backbone, or backbone+pooling where each backbone has one pooling."""
        return "+".join(self.names)

    def text(self, cell: int) -> str:
        """A cell's value."""
        place = self.places[cell]
        return plain(None) if place == NOWHERE else self.values[place]


def varying_axes(texts: Levels) -> list[Axis]:
    """Find the axes that take several values, each with those that cannot be told from it.

    An axis cannot be told from another that has no value in two cells of which it takes different
    values: the projection, where every number of dims has its own.
    """
    levels = _levels(texts)
    leads = {name: _lead(name, levels) for name in levels}
    found = []
    for name in levels:
        if leads[name] == name:
            followers = [other for other in levels if other != name and _root(other, leads) == name]
            found.append(_axis([name, *followers], levels))
    return found


def _levels(texts: Levels) -> dict[str, Texts]:
    """The axes with several values. That an axis does not matter is a value only if news.

    Where the other axes say it already (no recipe without a loss), it is none.
    """
    found = {name: column for name, column in texts.items() if len(set(column) - {None}) > 1}
    for name, column in texts.items():
        if None in column and len(set(column)) > 1:
            others = [found[other] for other in found if other != name]
            if not _tell(others, [text is None for text in column]):
                found[name] = [plain(text) for text in column]
    return {name: found[name] for name in texts if name in found}


def _tell(columns: Sequence[Sequence[object]], column: Sequence[object]) -> bool:
    """Whether cells alike in some columns are alike in another."""
    keys = list(zip(*columns, strict=True)) or [()] * len(column)
    return len(set(zip(keys, column, strict=True))) == len(set(keys))


def _lead(name: str, levels: Levels) -> str:
    """The axis that another follows from: of several that with the fewest values; else itself."""
    order = list(levels)
    leads = [
        other
        for other in order
        if other != name
        and _follows(name, other, levels)
        and not (_follows(other, name, levels) and order.index(name) < order.index(other))
    ]
    return min(leads, key=lambda other: len(set(levels[other])), default=name)


def _follows(name: str, other: str, levels: Levels) -> bool:
    return None not in levels[other] and _tell([levels[other]], levels[name])


def _root(name: str, leads: Mapping[str, str]) -> str:
    while leads[name] != name:
        name = leads[name]
    return name


def _axis(names: Sequence[str], levels: Levels) -> Axis:
    lead, *followers = (levels[name] for name in names)
    shown = {
        text: " ".join(part for part in parts if part is not None)
        for text, *parts in zip(lead, lead, *followers, strict=True)
        if text is not None
    }
    order = sorted(shown, key=natural)
    places = [NOWHERE if text is None else order.index(text) for text in lead]
    return Axis(tuple(names), tuple(shown[text] for text in order), np.array(places, np.int64))


def natural(text: str) -> list[str | float]:
    """Key that sorts numbers in texts as numbers: 16 before 128, resnet18 before resnet50."""
    parts = NUMBER.split(text)
    return [float(part) if place % 2 else part for place, part in enumerate(parts)]
