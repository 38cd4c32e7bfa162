"""Relay: what a worker tells of its progress, shown by its parent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.execution.messages import Advanced, Begun, Ended, Message, Note
from bench.progress import Advance, Progress

TELL_EVERY = 0.2
"""Seconds between two words on how far a step is."""


class Teller:
    """The progress of a worker: it is sent, and printed into its log."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self.send = send

    @contextmanager
    def step(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
        """Send the beginning, now and then how far it is, and the end unless it failed."""
        started = told = time.monotonic()
        units = 0

        words = ""

        def advance(n: int, said: str = "") -> None:
            nonlocal told, units, words
            units, words = units + n, said
            if time.monotonic() - told >= TELL_EVERY:
                self.send(Advanced(units, words))
                told, units = time.monotonic(), 0

        self.send(Begun(name, total, unit, done))
        yield advance
        self.send(Advanced(units, words))
        self.send(Ended())
        print(f"{name}: {total - done} {unit} in {time.monotonic() - started:.1f} s")

    def cell(self, label: str, outcome: str) -> None:
        """Leave it to the parent, which knows all cells."""

    def note(self, text: str) -> None:
        """Send it, and print it."""
        print(text)
        self.send(Note(text))


class LostError(Exception):
    """A step that will not end: it failed, or its worker died."""


def _unheard(n: int, said: str = "") -> None:
    """Of a step that nobody is at."""


@dataclass
class Shown:
    """The step that one worker is at, as its parent shows it."""

    progress: Progress
    begun: Begun | None = None
    units: int = 0
    """Done since it began."""
    started: float = 0.0
    _advance: Advance = _unheard
    _open: ExitStack = field(default_factory=ExitStack)

    def hear(self, message: Begun | Advanced | Ended | Note) -> None:
        """Show what a worker told."""
        match message:
            case Begun():
                self.close()
                self.begun, self.units, self.started = message, 0, time.monotonic()
                step = self.progress.step(message.name, message.total, message.unit, message.done)
                self._advance = self._open.enter_context(step)
            case Advanced():
                self.units += message.units
                self._advance(message.units, message.said)
            case Ended():
                self._open.close()
                self.begun, self._advance = None, _unheard
            case Note():
                self.progress.note(message.text)

    def close(self) -> None:
        """Drop a step that did not end."""
        if self.begun is not None:
            lost = LostError()
            self._open.__exit__(LostError, lost, None)
            self.begun, self._advance = None, _unheard

    def told(self) -> dict[str, str | int | float] | None:
        """How far the step is, for those who read the lease."""
        if self.begun is None:
            return None
        seconds = max(time.monotonic() - self.started, 1e-9)
        return {
            "name": self.begun.name,
            "done": self.begun.done + self.units,
            "total": self.begun.total,
            "unit": self.begun.unit,
            "per_second": round(self.units / seconds, 3),
        }
