"""Largest: which interactions are worth a row."""

from __future__ import annotations

from collections.abc import Sequence

from results.analysis.effects import Where
from results.analysis.estimates import Analysis

SHOWN = 2
"""Of each pair of axes."""
Points = tuple[float | None, ...]
"""An interaction in each study; None where the cells do not identify it."""


def largest_of_pairs(analyses: Sequence[Analysis]) -> list[Where]:
    """The largest interactions of each pair of axes, in any study; the largest pair comes first.

    Of two that are each other's negative (there are no others of two values by two) the positive.
    """
    by_pair: dict[tuple[str, ...], dict[Where, Points]] = {}
    for where, points in _points(analyses).items():
        by_pair.setdefault(tuple(axis for axis, _ in where), {})[where] = points
    chosen = [(group, _of_pair(group)) for group in by_pair.values()]
    chosen.sort(key=lambda found: -_size(found[0][found[1][0]]))
    return [where for _, wheres in chosen for where in wheres]


def _points(analyses: Sequence[Analysis]) -> dict[Where, Points]:
    return {
        where: tuple(
            analysis.point(analysis.interactions[where]) if where in analysis.interactions else None
            for analysis in analyses
        )
        for where in dict.fromkeys(where for one in analyses for where in one.interactions)
    }


def _of_pair(group: dict[Where, Points]) -> list[Where]:
    order = sorted(group, key=lambda where: (-_size(group[where]), -_first(group[where])))
    found: list[Where] = []
    for where in order:
        told = [one for chosen in found for one in (group[chosen], _negative(group[chosen]))]
        if group[where] not in told:
            found.append(where)
    return found[:SHOWN]


def _size(points: Points) -> float:
    return max(abs(value) for value in points if value is not None)


def _first(points: Points) -> float:
    return next(value for value in points if value is not None)


def _negative(points: Points) -> Points:
    return tuple(None if value is None else -value for value in points)
