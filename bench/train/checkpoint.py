"""Checkpoints: a training that is killed goes on from the last one, to the same bits on a CPU."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from bench.stop import Stop
from bench.train.snapshot import Snapshot, UnusableError, read_snapshot, write_snapshot
from bench.train.state import State, check_fit, take_down

FORMAT = 2
"""Raise it when a snapshot holds something else, or means something else."""
SECONDS = 60.0
"""Between two checkpoints, where writing one takes no more than its share: what a kill costs."""
SHARE = 0.02
"""Most of a training's time that goes into writing."""


@dataclass
class Checkpoint:
    """The one checkpoint of a training: when it is written, and what becomes of it."""

    folder: Path
    key: str
    """Of the stage whose training it is."""
    stop: Stop
    note: Callable[[str], None]
    good: bool = False
    """Whether the file is of this training."""
    _complained: bool = False
    _since: float = 0.0
    _cost: float = 0.0

    @property
    def file(self) -> Path:
        """Where it is."""
        return self.folder / "training.safetensors"

    def read(self, network: nn.Module, device: torch.device, processes: int = 1) -> Snapshot | None:
        """Return what to go on from; one that cannot be used is told and counts for nothing."""
        self._since = time.monotonic()
        try:
            snapshot = read_snapshot(self.file)
            if snapshot is not None:
                _check_origin(snapshot, self._origin(device, processes))
                check_fit(snapshot, network)
        except UnusableError as reason:
            self.note(f"the training starts anew, not from {self.file}: {reason}")
            return None
        self.good = snapshot is not None
        return snapshot

    def after_step(self, state: State) -> None:
        """Write it if it is time; raises Interrupted, after writing, if the run is to stop.

        Of several processes the first writes; all are interrupted where one is to stop.
        """
        if state.group.any(self.stop.asked):
            if state.group.first and self._write(state):
                self.note(f"stopped after {len(state.losses)} steps, kept in {self.file}")
            self.stop.follow()
            self.stop.interrupt()
        if not state.group.first:
            return
        pause = max(SECONDS, self._cost * (1 / SHARE - 1))
        if time.monotonic() - self._since >= pause:
            self._write(state)

    def remove(self) -> None:
        """Forget it, once the training's result is there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, state: State) -> bool:
        """Replace the file, unless the disk is full or the training is lost already."""
        started = time.monotonic()
        if not state.finite():
            return False
        taken = take_down(state)
        facts = {**taken.facts, "origin": self._origin(state.device, state.group.size)}
        try:
            self.folder.mkdir(exist_ok=True)  # not its parents: a removed run folder stays so
            write_snapshot(Snapshot(taken.tensors, facts), self.file)
        except OSError as error:
            self._complain(error)
            return False
        finally:
            self._since = time.monotonic()
            self._cost = self._since - started
        self.good = True
        return True

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            why = error.strerror or error
            self.note(f"cannot write {self.file} ({why}): the training goes on without it")
        self._complained = True

    def _origin(self, device: torch.device, processes: int) -> dict[str, Any]:
        """What has to be the same for a training to go on as if it had not been stopped."""
        return {
            "format": FORMAT,
            "stage": self.key,
            "device": device.type,
            "processes": processes,  # each draws numbers of its own, and sums are rounded apart
            "torch": str(torch.__version__),
            "timm": timm.__version__,
            "numpy": np.__version__,
        }


def _check_origin(snapshot: Snapshot, wanted: dict[str, Any]) -> None:
    origin = snapshot.facts.get("origin", {})
    differences = [
        f"{name} was {origin.get(name)} and is {value}"
        for name, value in wanted.items()
        if origin.get(name) != value
    ]
    if differences:
        raise UnusableError(f"it is of another training: {', '.join(differences)}")
