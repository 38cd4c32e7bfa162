"""Tracker: told how a run starts, goes on and ends; nothing that it does may harm the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol


class Tracker(Protocol):
    """Told of a run: its start, any number of steps, then finish or fail."""

    def start(self, key: str, name: str, config: Mapping[str, object]) -> None:
        """Begin a run, or go on with the one of this key; the name is for people."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take down a step's values; a run that goes on may repeat its last steps."""

    def finish(self, summary: Mapping[str, float]) -> None:
        """End a run that did what it should."""

    def fail(self, message: str) -> None:
        """End a run that did not: its error, or "interrupted"."""


class Untracked:
    """Tells nobody."""

    def start(self, key: str, name: str, config: Mapping[str, object]) -> None:
        """Tell nobody."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Tell nobody."""

    def finish(self, summary: Mapping[str, float]) -> None:
        """Tell nobody."""

    def fail(self, message: str) -> None:
        """Tell nobody."""


UNTRACKED = Untracked()


class Several:
    """Tells each of several trackers."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = trackers

    def start(self, key: str, name: str, config: Mapping[str, object]) -> None:
        """Pass it on."""
        for tracker in self._trackers:
            tracker.start(key, name, config)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Pass it on."""
        for tracker in self._trackers:
            tracker.log(step, values)

    def finish(self, summary: Mapping[str, float]) -> None:
        """Pass it on."""
        for tracker in self._trackers:
            tracker.finish(summary)

    def fail(self, message: str) -> None:
        """Pass it on."""
        for tracker in self._trackers:
            tracker.fail(message)


class Guarded:
    """Opens a tracker for each run, one after another, and passes on what it is told.

    A tracker that raises is told nothing more, in this run and in all later ones: a server that
    cannot be reached would cost each of them its patience. That is noted once.
    """

    def __init__(
        self, name: str, open_one: Callable[[], Tracker], note: Callable[[str], None]
    ) -> None:
        self._name = name
        self._open = open_one
        self._note = note
        self._tracker: Tracker = UNTRACKED
        """Of the run under way."""

    def start(self, key: str, name: str, config: Mapping[str, object]) -> None:
        """Open a tracker and start it."""
        with self._harmless():
            tracker = self._open()
            tracker.start(key, name, config)
            self._tracker = tracker  # one that did not start has nothing to end

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Pass it on."""
        with self._harmless():
            self._tracker.log(step, values)

    def finish(self, summary: Mapping[str, float]) -> None:
        """Pass it on."""
        with self._harmless():
            self._let_go().finish(summary)

    def fail(self, message: str) -> None:
        """Pass it on."""
        with self._harmless():
            self._let_go().fail(message)

    def _let_go(self) -> Tracker:
        tracker, self._tracker = self._tracker, UNTRACKED
        return tracker

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
            self._open, self._tracker = Untracked, UNTRACKED
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            self._note(f"{self._name} is switched off ({why}); the run goes on without it")


@contextmanager
def tracked(
    tracker: Tracker, key: str, name: str, config: Mapping[str, object]
) -> Iterator[dict[str, float]]:
    """Start a run, and end it as the work within ends; the work fills in its summary."""
    summary: dict[str, float] = {}
    try:
        tracker.start(key, name, config)
        yield summary
    except KeyboardInterrupt:
        tracker.fail("interrupted")
        raise
    except BaseException as error:
        tracker.fail(f"{type(error).__name__}: {error}")
        raise
    tracker.finish(summary)
