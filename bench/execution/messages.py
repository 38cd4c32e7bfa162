"""Messages: what a run and its workers say to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.identity import Stage
from bench.plan import Planned


@dataclass(frozen=True)
class Settings:
    """What a worker is told once: where things are. Never a number's cause."""

    runs: Path
    data: Path
    here: Path
    """The folder that relative paths start from."""
    cache_bytes: int
    force: bool
    workers: int
    """How many processes compute: they share the cores."""
    track: Sequence[str] = ()
    """Names of trackers."""


@dataclass(frozen=True)
class Task:
    """A stage to do, if it is not done, and the cells to report that end with it."""

    name: str
    stage: Stage
    poolings: Sequence[str]
    """That an extraction is to yield."""
    cells: Sequence[Planned]


@dataclass(frozen=True)
class Begun:
    """A step began, a part of it done before."""

    name: str
    total: int
    unit: str
    done: int


@dataclass(frozen=True)
class Advanced:
    """So many more units of the step are done."""

    units: int
    said: str = ""
    """How it goes, in a few words."""


@dataclass(frozen=True)
class Ended:
    """The step is done."""


@dataclass(frozen=True)
class Note:
    """Something that the user should know."""

    text: str


@dataclass(frozen=True)
class Done:
    """The task is done; the worker wants the next."""

    outcomes: Mapping[str, str] = field(default_factory=dict)
    """Key of a cell -> its headline numbers."""
    worn: str = ""
    """Why the worker should not be given another task."""


@dataclass(frozen=True)
class Failed:
    """The task failed; the worker ends."""

    error: str
    """Class of the error."""
    message: str
    traceback: str
    blamed: str
    """Name of the stage that cannot be done."""
    log: str | None = None
    """Relative to the run folder."""
    gone: bool = False
    """Whether it is the run folder that is no longer there."""


@dataclass(frozen=True)
class Unfit:
    """The worker cannot have its device: another has to do the task."""

    error: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Damaged:
    """An artifact that the task reads is not what was written; the worker wants the next task."""

    stage: Stage
    message: str


@dataclass(frozen=True)
class Died:
    """The worker's process ended without a word; its pipe says so."""

    exit_code: int | None


Message = Begun | Advanced | Ended | Note | Done | Failed | Damaged | Died | Unfit
