"""Rendering: a Table as text for people and papers."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from results.files import write_text
from results.latex import as_latex, is_numeric
from results.table import Emphasis, Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

UNSQUEEZED = 1000
"""Columns of a console that is no terminal."""
STYLES: dict[Emphasis, str] = {"": "", "best": "bold", "second": "underline"}
SHAPES: dict[Emphasis, str] = {"": "{}", "best": "**{}**", "second": "<ins>{}</ins>"}
MARKDOWN = str.maketrans(
    {
        **{sign: "\\" + sign for sign in "\\`*|~#$"},
        **{"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "},
    }
)
SIGNS = re.compile(r"_(?![^\W_])|(?<=\])(?=\()")
"""An underscore that ends a word, for one alone is none of GitHub's signs; between ] and (."""
BULLET = re.compile(r"^(\d*)([+.)-] )")
"""What would begin a list: 1. or a dash."""


def as_text(table: Table, form: str) -> str:
    """Render as markdown, latex (booktabs), csv (unrounded) or json (unrounded)."""
    match form:
        case "latex":
            return as_latex(table)
        case "json":
            return _as_json(table)
        case "csv":
            return _as_csv(table)
        case _:
            return _as_markdown(table)


def _as_csv(table: Table) -> str:
    """Numbers unrounded, notes as comments. Text is quoted: a # in it begins no comment."""
    numbers = table.numbers.assign(marks=table.marks)
    text = numbers.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    return text + "".join(f"# {' '.join(note.split())}\n" for note in table.notes)


def _as_markdown(table: Table) -> str:
    from tabulate import tabulate

    columns = list(zip(*table.body, strict=True))
    align = ["right" if is_numeric(column) else "left" for column in columns]
    starts = table.group_starts()
    body = []
    for row, cells in enumerate(table.body):
        if row in starts:
            body.append([f"*{_escaped(starts[row])}*", *[""] * (len(cells) - 1)])
        shapes = [SHAPES[table.emphasis_of(row, column)] for column in range(len(cells))]
        body.append(
            [shape.format(_escaped(cell)) for shape, cell in zip(shapes, cells, strict=True)]
        )
    headers = [_escaped(header) for header in table.headers]
    grid = tabulate(body, headers, tablefmt="github", colalign=align, disable_numparse=True)
    notes = [BULLET.sub(r"\1\\\2", _escaped(note)) for note in table.notes]
    return grid + "\n\n" + "\n".join(f"{note}  " for note in notes) + "\n"


def _as_json(table: Table) -> str:
    """Rows by header, null where there is no number; notes and marks beside them."""
    rows = json.loads(table.numbers.to_json(orient="records", double_precision=15))
    for row, marks in zip(rows, table.marks, strict=True):
        row["marks"] = marks
    if table.groups:
        for row, group in zip(rows, table.groups, strict=True):
            row["group"] = group
    content = {"rows": rows, "notes": table.notes}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def as_rich(table: Table) -> RenderableType:
    """Render for a terminal: headers over several lines, so that many columns fit."""
    from rich import box
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for header, column in zip(table.headers, zip(*table.body, strict=True), strict=True):
        numeric = is_numeric(column)
        grid.add_column(
            Text(header.replace(" ", "\n")),
            justify="right" if numeric else "left",
            no_wrap=numeric,
            vertical="bottom",
        )
    starts = table.group_starts()
    for row, cells in enumerate(table.body):
        if row in starts:
            grid.add_row(Text(starts[row], style="italic"))
        styles = [STYLES[table.emphasis_of(row, column)] for column in range(len(cells))]
        shown = zip(cells, styles, strict=True)
        ends = row + 1 in starts
        grid.add_row(*(Text(cell, style=style) for cell, style in shown), end_section=ends)
    return Group(grid, *(Text(note, style="dim") for note in table.notes))


def _escaped(text: str) -> str:
    return SIGNS.sub(r"\\\g<0>", text.translate(MARKDOWN))


def terminal(*, stderr: bool = False) -> Console:
    """A console that does not squeeze tables when its output goes to a file or a pipe."""
    from rich.console import Console

    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=UNSQUEEZED)


def show(table: Table) -> None:
    """Print for people. A terminal too narrow wraps lines; nothing is cut off."""
    from rich.console import Console

    console, renderable = terminal(), as_rich(table)
    needed = max(map(len, _rich_text(table).splitlines()))
    if console.width < needed:
        console = Console(width=needed)
    console.print(renderable)


def write_table(table: Table, form: str, output: Path | None) -> None:
    """Print a table, or write it to a file in one step."""
    write_tables([table], form, output)


def write_tables(tables: Sequence[Table], form: str, output: Path | None) -> None:
    """Print tables one after the other, or write them to a file in one step.

    Several in json are a list.
    """
    if form == "rich" and output is None:
        for table in tables:
            show(table)
        return
    texts = [_rich_text(table) if form == "rich" else as_text(table, form) for table in tables]
    joined = "\n".join(texts)
    if form == "json" and len(tables) > 1:
        joined = "[" + ",".join(text.rstrip() for text in texts) + "]\n"
    if output is None:
        print(joined, end="")
    else:
        write_text(joined, output)


def _rich_text(table: Table) -> str:
    from rich.console import Console

    console = Console(width=UNSQUEEZED, force_terminal=False)
    with console.capture() as capture:
        console.print(as_rich(table))
    return capture.get()
