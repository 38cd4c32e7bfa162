"""When to kill: a random moment after a run has been seen at work, not while it starts."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos_compare import published

WATCHED = ("leases/*", "log/*", "checkpoints/*/*", "artifacts/*/*", "reports/*")


@dataclass(frozen=True)
class Spread:
    """Longest delays in seconds, after the first sign of work and after something was finished."""

    seen: float
    finished: float


def anything(runs: Path) -> Hashable:
    """What changes in a run folder with every lease taken and every line logged."""
    found = []
    for path in (path for pattern in WATCHED for path in runs.glob(pattern)):
        with suppress(OSError):
            stat = path.stat()
            found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return frozenset(found)


@dataclass
class Aim:
    """One kill to come: what has to be seen first, and how long after that.

    Every other time something has to be finished first, else a matrix whose stages take longer
    than the time between kills would never end.
    """

    runs: Path
    generator: random.Random
    spread: Spread
    sign: Callable[[Path], Hashable] = field(init=False)
    delay: float = field(init=False)
    before: Hashable = field(init=False)
    moment: float | None = None

    def __post_init__(self) -> None:
        """Draw what is waited for."""
        finished = self.generator.random() < 0.5
        self.sign = published if finished else anything
        longest = self.spread.finished if finished else self.spread.seen
        self.delay = self.generator.uniform(0, longest)
        self.before = self.sign(self.runs)

    def due(self) -> bool:
        """Whether the moment has come."""
        if self.moment is None and self.sign(self.runs) != self.before:
            self.moment = time.monotonic() + self.delay
        return self.moment is not None and time.monotonic() >= self.moment


def under_way(runs: Path, pids: Iterable[int]) -> str:
    """Say which kinds of stages some processes hold leases on."""
    alive, found = set(pids), set()
    for path in (runs / "leases").glob("[a-z]*-*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            if json.loads(path.read_text())["owner"]["pid"] in alive:
                found.add(path.stem.partition("-")[0])
    return " and ".join(sorted(found)) or "between stages, or starting"
