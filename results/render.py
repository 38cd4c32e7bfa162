"""Rendering: a Table as text for people and papers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from results.store import ResultsError
from results.tables import Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

UNSQUEEZED = 1000
"""Columns of a console that is no terminal."""
LATEX_SIGNS = {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar\allowbreak{}",  # signatures have no blanks at which a line could end
}


def as_text(table: Table, form: str) -> str:
    """Render as markdown, latex (booktabs) or csv (unrounded)."""
    from tabulate import tabulate

    if form == "csv":
        numbers = table.numbers.assign(marks=table.marks)
        return numbers.to_csv(index=False) + "".join(f"# {note}\n" for note in table.notes)
    style = {"markdown": "github", "latex": "latex_booktabs"}[form]
    align = [
        "left" if not _numeric(column) else "right" for column in zip(*table.body, strict=True)
    ]
    body = tabulate(
        table.body, headers=table.headers, tablefmt=style, colalign=align, disable_numparse=True
    )
    notes = table.notes
    if form == "latex":
        lines = (f"\\par{{\\footnotesize {_latex(note)}}}" for note in notes)
        return body + "\n" + "\n".join(lines) + "\n"
    return body + "\n\n" + "\n".join(f"{_escaped(note)}  " for note in notes) + "\n"


def as_rich(table: Table) -> RenderableType:
    """Render for a terminal: headers over several lines, so that many columns fit."""
    from rich import box
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for header, column in zip(table.headers, zip(*table.body, strict=True), strict=True):
        numeric = _numeric(column)
        grid.add_column(
            Text(header.replace(" ", "\n")),
            justify="right" if numeric else "left",
            no_wrap=numeric,
            vertical="bottom",
        )
    for row in table.body:
        grid.add_row(*(Text(cell) for cell in row))
    return Group(grid, *(Text(note, style="dim") for note in table.notes))


def _numeric(column: tuple[str, ...]) -> bool:
    return all(cell[:1].isdigit() or cell in ("--", "-") for cell in column)


def _latex(note: str) -> str:
    signs = {sign: f"\\{sign}" for sign in "%#_&$"} | LATEX_SIGNS
    return note.translate({ord(sign): text for sign, text in signs.items()})


def _escaped(note: str) -> str:
    return "\\" + note if note[:1] in "*+#" else note


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
    if form == "rich" and output is None:
        return show(table)
    text = _rich_text(table) if form == "rich" else as_text(table, form)
    if output is None:
        return print(text, end="")
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=output.parent)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, output)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise ResultsError(f"cannot write {output}: {error.strerror or error}") from error


def _rich_text(table: Table) -> str:
    from rich.console import Console

    console = Console(width=UNSQUEEZED, force_terminal=False)
    with console.capture() as capture:
        console.print(as_rich(table))
    return capture.get()
