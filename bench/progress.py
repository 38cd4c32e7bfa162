"""What a run tells while it works: a live display, plain lines for logs, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Advance(Protocol):
    """Told how many more units of a step are done, and in a few words how it goes."""

    def __call__(self, n: int, said: str = "") -> None: ...


class Progress(Protocol):
    """Told of the stage under way and of each finished cell."""

    def step(
        self, name: str, total: int, unit: str, done: int = 0
    ) -> AbstractContextManager[Advance]:
        """Enter a step, a part of it done before; what it yields is called with units done."""

    def cell(self, label: str, outcome: str) -> None:
        """Note a finished cell."""

    def note(self, text: str) -> None:
        """Say something that the user should know."""


class Silent:
    """Says nothing (--quiet)."""

    @contextmanager
    def step(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
        """Count for nobody."""
        yield lambda n, said="": None

    def cell(self, label: str, outcome: str) -> None:
        """Keep quiet."""

    def note(self, text: str) -> None:
        """Keep quiet."""


class Lines:
    """One line per finished stage and cell, for logs and pipes."""

    def __init__(self, write: Callable[[str], None], cells: int) -> None:
        self.write = write
        self.cells = cells
        self.finished = 0

    @contextmanager
    def step(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
        """Report how long the step took."""
        started, last = time.monotonic(), ""

        def advance(n: int, said: str = "") -> None:
            nonlocal last
            last = said or last

        yield advance
        seconds = time.monotonic() - started
        rate = (total - done) / max(seconds, 1e-9)
        ended = f", {last}" if last else ""
        self.write(f"{name}: {total - done} {unit} in {seconds:.1f} s ({rate:.0f}/s){ended}")

    def cell(self, label: str, outcome: str) -> None:
        """Report a finished cell."""
        self.finished += 1
        self.write(f"[{self.finished}/{self.cells}] {label}: {outcome}")

    def note(self, text: str) -> None:
        """Write it as it is."""
        self.write(text)


class Live:
    """A bar for the cells and one for the stage under way, with rate and time left."""

    def __init__(self, console: Console, cells: int | None) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self.bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.all_cells = None
        if cells is not None:
            self.all_cells = self.bars.add_task("cells", total=cells, rate="")

    def __enter__(self) -> Live:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    @contextmanager
    def step(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
        """Show a bar while the step runs."""
        task = self.bars.add_task(name, total=total, completed=done, rate="")
        started, units = time.monotonic(), 0

        def advance(n: int, said: str = "") -> None:
            nonlocal units
            units += n
            if said:
                self.bars.update(task, description=f"{name} · {said}")
            rate = units / max(time.monotonic() - started, 1e-9)
            shown = f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
            self.bars.update(task, advance=n, rate=f"{shown} {unit}/s")

        try:
            yield advance
        finally:
            self.bars.remove_task(task)

    def cell(self, label: str, outcome: str) -> None:
        """Print the finished cell above the bars."""
        self.bars.console.print(f"{label}: {outcome}", highlight=False, markup=False)
        if self.all_cells is not None:
            self.bars.update(self.all_cells, advance=1)

    def note(self, text: str) -> None:
        """Print it above the bars."""
        self.bars.console.print(text, highlight=False, markup=False, soft_wrap=True)
