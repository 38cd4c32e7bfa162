"""Check pages: a check for a terminal, and as a comment under a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from results.gate.regress import Check
from results.gate.view import (
    BAD,
    FLIPS,
    Grid,
    grid_of,
    note_lines,
    reason_lines,
    rules_line,
    summary,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

LONGEST = 60_000
"""Characters; GitHub refuses comments above 65,536."""
NUMBERS = ("old", "new", "Δ", "95 % interval", FLIPS)
"""Headers of columns that are set to the right."""
SIGNS = str.maketrans(
    {**{sign: "\\" + sign for sign in "\\`*_[]|~"}, "<": "&lt;", ">": "&gt;", "&": "&amp;"}
)
MENTION = re.compile(r"(?<!\w)[@#](?=\w)")
"""What GitHub would take for somebody's name, or the number of an issue."""


def as_rich(check: Check) -> RenderableType:
    """Render for a terminal: the table, why it fails, notes, and the one line that counts last."""
    from rich.console import Group
    from rich.text import Text

    grid = grid_of(check)
    return Group(
        _rich_grid(grid),
        *(Text(f"{BAD} {line}", style="red") for line in reason_lines(check)),
        *(Text(line, style="dim") for line in _small_print(check, grid)),
        Text(summary(check), style="bold red" if check.red else "bold green"),
    )


def as_markdown(check: Check) -> str:
    """Render for GitHub: the one line, why it fails, and the rest to be unfolded.

    Rows that would make a comment too long are left out, those that fail last.
    """
    grid = grid_of(check)
    head = [f"### Retrieval quality: {escaped(summary(check))}", ""]
    head += [f"- {BAD} {escaped(line)}" for line in reason_lines(check)]
    small = "  \n".join(escaped(line) for line in _small_print(check, grid))
    head_text = _cut("\n".join(head), LONGEST // 2)
    rows = _markdown_rows(grid, LONGEST - len(head_text) - len(small))
    parts = [
        head_text,
        "",
        f"<details><summary>{len(grid.body)} numbers</summary>",
        "",
        *rows,
        "",
        small,
        "",
        "</details>",
        "",
    ]
    return "\n".join(parts)


def escaped(text: str) -> str:
    """Text as GitHub shows it: no formatting, no HTML, nobody called."""
    return MENTION.sub("\\g<0><!-- -->", text.translate(SIGNS))


def _small_print(check: Check, grid: Grid) -> list[str]:
    lines = [*note_lines(check), rules_line(check.rules)]
    return [*lines, f"all cells: {grid.fixed}"] if grid.fixed else lines


def _rich_grid(grid: Grid) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for header in grid.headers:
        table.add_column(Text(header), justify="right" if header in NUMBERS else "left")
    for row, bad in zip(grid.body, grid.bad, strict=True):
        table.add_row(*(Text(cell) for cell in row), style="red" if bad else "")
    return table


def _markdown_rows(grid: Grid, most: int) -> list[str]:
    """As many rows as there is room for, those that fail first where there is not for all."""
    headers = [escaped(header) for header in grid.headers]
    dashes = ["---:" if header in NUMBERS else "---" for header in grid.headers]
    lines = [_line(escaped(cell) for cell in row) for row in grid.body]
    room = most - sum(map(len, [*headers, *dashes])) - 200
    order = sorted(range(len(lines)), key=lambda row: not grid.bad[row])
    kept, used = set(), 0
    for row in order:
        used += len(lines[row]) + 1
        if used > room:
            break
        kept.add(row)
    shown = [line for row, line in enumerate(lines) if row in kept]
    left = len(lines) - len(shown)
    more = ["", f"{left} more rows would be too long for a comment"] if left else []
    return [_line(headers), _line(dashes), *shown, *more]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cut(text: str, most: int) -> str:
    """Whole lines up to a length."""
    if len(text) <= most:
        return text
    lines = text[:most].split("\n")[:-1]
    return "\n".join([*lines, f"- {text.count(chr(10)) + 1 - len(lines)} more reasons"])
