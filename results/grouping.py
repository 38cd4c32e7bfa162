"""Grouping: rows of a table that may be compared, because they cost about the same."""

from __future__ import annotations

from collections.abc import Sequence

from results.names import AXES
from results.store import ResultsError, unknown

ISO = 1.1
"""Costs of one group are within ten per cent of the least."""
COSTS = {"gmacs": "gmacs", "params": "parameters", "bytes": "bytes_per_image"}
"""As typed -> column of the reports: what is about equal. dims, an axis, is equal or not."""
TITLES = {"gmacs": "GMACs", "params": "params (M)", "bytes": "bytes"}
SCALES = {"gmacs": 1.0, "params": 1e-6, "bytes": 1.0}


def check_grouping(name: str, row_axes: Sequence[str]) -> None:
    """Raise ResultsError unless rows can be grouped so."""
    if name in COSTS:
        return
    if name not in AXES:
        raise unknown("grouping", name, [*COSTS, *AXES])
    if name not in row_axes:
        raise ResultsError(f"rows cannot be grouped by {name}: it is no row axis; add it to --rows")


def by_cost(name: str, costs: Sequence[float]) -> list[str]:
    """Title of each row's group: sorted by cost, a group ends ten per cent above its least."""
    titles = [""] * len(costs)
    order = sorted(range(len(costs)), key=costs.__getitem__)
    for group in _about_equal(order, costs):
        ends = [_short(costs[place] * SCALES[name]) for place in (group[0], group[-1])]
        for place in group:
            titles[place] = f"{TITLES[name]} {'–'.join(dict.fromkeys(ends))}"
    return titles


def by_axis(name: str, values: Sequence[str]) -> list[str]:
    """Title of each row's group: an axis' value."""
    return [f"{name} {value}" for value in values]


def arranged(titles: Sequence[str], order: Sequence[float] | None) -> list[int]:
    """Places of rows, groups together: by cost (no two groups overlap), or as they first appear."""
    first = {title: titles.index(title) for title in titles}
    rank = [first[title] if order is None else order[first[title]] for title in titles]
    return sorted(range(len(titles)), key=rank.__getitem__)


def _short(cost: float) -> str:
    """Three digits, without an exponent."""
    return f"{cost:.0f}" if cost >= 100 else f"{cost:.3g}"


def _about_equal(order: Sequence[int], costs: Sequence[float]) -> list[list[int]]:
    groups: list[list[int]] = []
    for place in order:
        if groups and costs[place] <= ISO * costs[groups[-1][0]]:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups
