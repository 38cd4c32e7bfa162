"""Pages: sections of named values, folded where a terminal is narrow, never cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from results.render import terminal

NAMES = 22
"""Columns for the names of values."""


class Page:
    """What is printed, section by section."""

    def __init__(self) -> None:
        self.console = terminal()

    def section(self, title: str, values: Mapping[str, Any]) -> None:
        """Print a title, and under it a line for each value."""
        self.console.print()
        self.console.print(Text(title, style="bold"), soft_wrap=True)
        self.more(values)

    def more(self, values: Mapping[str, Any]) -> None:
        """Print further lines of the same section."""
        if not self.console.is_terminal:
            for name, value in values.items():
                self.text("\n".join(f"  {name:<{NAMES}}  {line}" for line in _lines(value)))
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", overflow="fold", width=NAMES)
        grid.add_column(overflow="fold")
        for name, value in values.items():
            grid.add_row(Text(name), Text("\n".join(_lines(value))))
        self.console.print(Padding(grid, (0, 0, 0, 2), expand=False))

    def text(self, text: str) -> None:
        """Print lines as they are."""
        self.console.print(Text(text), soft_wrap=True)


def _lines(value: Any) -> Iterator[str]:
    """A value as one line or several: sentences and nested mappings get one each."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from (f"{name}: {line}" for line in _lines(inner))
    elif isinstance(value, list) and any(" " in str(one) for one in value):
        for one in value:
            yield from _lines(one)
    else:
        yield _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if value is None or value == {}:
        return "-"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
