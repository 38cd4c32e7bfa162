"""Emphasis: the best and the second number of each column, group by group."""

from __future__ import annotations

from collections.abc import Sequence

from results.cells import Cell
from results.table import Emphasis


def emphasised(grid: Sequence[Sequence[Cell]], groups: Sequence[str]) -> list[list[Emphasis]]:
    """Say of each cell whether it is the best or the second of its column in its group.

    As shown: numbers that round alike are both. Numbers of another protocol than their column's
    are none, nor is the only number of a group.
    """
    width = len(grid[0]) if grid else 0
    found: list[list[Emphasis]] = [[""] * width for _ in grid]
    for title in dict.fromkeys(groups):
        rows = [place for place, name in enumerate(groups) if name == title]
        for column in range(width):
            for row, emphasis in _of_column({row: grid[row][column] for row in rows}).items():
                found[row][column] = emphasis
    return found


def _of_column(cells: dict[int, Cell]) -> dict[int, Emphasis]:
    shown = {row: round(cell.value, 1) for row, cell in cells.items() if cell.comparable}
    if len(shown) < 2:
        return {}
    ranked = sorted(set(shown.values()), reverse=True)
    names: dict[float, Emphasis] = {ranked[0]: "best"}
    if len(ranked) > 1:
        names[ranked[1]] = "second"
    return {row: names[value] for row, value in shown.items() if value in names}
