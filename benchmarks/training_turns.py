"""Two trainings that take turns, step by step; what of a step of ours goes where."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from scoring_measure import forget_peak, kilobytes

from bench.progress import Silent
from bench.tracking.events import EventsFile
from bench.train import loop, step
from bench.train.feed import BatchSource, Ordered
from bench.train.looks import Watch
from bench.train.memory import CrossBatchMemory
from bench.train.objective import Objective

GRADIENT, EMBED, LOSS = "gradient", "network, forward", "loss, with its gradient"
PARTS: Mapping[str, tuple[tuple[object, str], ...]] = {
    "waiting for images": ((BatchSource, "_ordered"), (BatchSource, "_collected")),
    EMBED: ((step, "embed"),),
    LOSS: ((Objective, "forward"),),
    GRADIENT: ((loop, "gradient"),),
    "clipping, optimiser": ((loop, "learn"),),
    "memory": ((CrossBatchMemory, "add"),),
    "statistics": ((Watch, "values"),),
    "events file": ((EventsFile, "log"),),
}
"""Whose seconds are added up; the network's and the loss's are in the gradient's."""


@dataclass(frozen=True)
class Cost:
    """Of a step."""

    seconds: float
    processor: float
    """Seconds of all threads together, which other processes' work adds little to."""
    peak: float
    """Bytes in use at most; both networks are always there."""


@dataclass(frozen=True)
class Turn:
    """A step of ours and the bare one after it."""

    ours: Cost
    bare: Cost
    parts: Mapping[str, float]
    """Seconds of ours."""

    def shares(self) -> dict[str, float]:
        """What of our step goes where; what no part has is the rest."""
        parts = {name: self.parts.get(name, 0.0) for name in PARTS}
        parts["backward"] = parts.pop(GRADIENT) - parts[EMBED] - parts[LOSS]
        parts["the rest"] = self.ours.seconds - sum(parts.values())
        return {name: seconds / self.ours.seconds for name, seconds in parts.items()}


@dataclass
class Turns(Silent):
    """A progress display that has the bare step done whenever it is told of one of ours."""

    bare: Callable[[], None]
    device: torch.device
    precise_from: int = 0
    """Turn from which each part waits for the device, which costs time."""
    done: list[Turn] = field(default_factory=list)
    ahead: Ordered | None = None
    """The batch that is being decoded: a step of ours ends when it is there."""
    _parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _since: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def step(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[Any]:
        """Begin with ours."""
        self._begin()
        yield self._turn

    def _turn(self, n: int, said: str = "") -> None:
        if self.ahead is not None:
            wait(self.ahead.pixels)
        ours, parts = self._end(), dict(self._parts)
        self._begin()
        self.bare()
        self.done.append(Turn(ours, self._end(), parts))
        self._begin()

    def _begin(self) -> None:
        self._parts.clear()
        self.wait()
        forget_peak()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self._since = time.perf_counter(), time.process_time()

    def _end(self) -> Cost:
        self.wait()
        started, used = self._since
        seconds, processor = time.perf_counter() - started, time.process_time() - used
        if self.device.type == "cuda":
            return Cost(seconds, processor, float(torch.cuda.max_memory_allocated(self.device)))
        return Cost(seconds, processor, 1024 * kilobytes("VmHWM"))

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Add up the parts' seconds within."""
        with ExitStack() as stack:
            for name, places in PARTS.items():
                for owner, attribute in places:
                    timed = self._timed(name, getattr(owner, attribute))
                    stack.enter_context(patch.object(owner, attribute, timed))
            yield

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            precise = len(self.done) >= self.precise_from
            if precise:
                self.wait()
            started = time.perf_counter()
            found = function(*arguments, **named)
            if precise:
                self.wait()
            self._parts[name] += time.perf_counter() - started
            if isinstance(found, Ordered):
                self.ahead = found
            return found

        return timed
