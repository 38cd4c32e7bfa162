"""Being asked to stop: by Ctrl-C, by a scheduler's SIGTERM, by Slurm's warning SIGUSR1."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]


class Interrupted(KeyboardInterrupt):
    """The work was ended by a signal; the same command goes on."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Stop:
    """Whether a run was asked to stop.

    Work that only has to be dropped needs to know nothing of this: a signal raises Interrupted in
    it at once. Work that wants to leave something behind runs within deferred(): there the first
    signal only sets asked, which it looks at after each of its steps to leave by interrupt(). A
    SIGINT after that raises at once; other signals then change nothing, since schedulers repeat
    theirs before they kill.
    """

    def __init__(self) -> None:
        self.by: int | None = None
        self._deferring = False

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self.by is not None

    def interrupt(self) -> None:
        """Raise Interrupted if a signal came."""
        if self.by is not None:
            raise Interrupted(self.by)

    def follow(self) -> None:
        """Stop with another process that was asked, if this one was not."""
        self.by = self.by or signal.SIGTERM

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the first signal wait for the work within, at the latest until its end."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        self.interrupt()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Answer signals while the work within runs; one that is ignored stays ignored."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        ours = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
        for number in ours:
            signal.signal(number, self._answer)
        try:
            yield
        finally:
            for number in ours:
                signal.signal(number, before[number])

    def _answer(self, number: int, _: FrameType | None) -> None:
        first, self.by = self.by is None, self.by or number
        if not self._deferring or (number == signal.SIGINT and not first):
            raise Interrupted(number)
