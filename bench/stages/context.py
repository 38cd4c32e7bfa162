"""What every stage is handed beside its own inputs: places and a device, never a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bench.execution.artifacts import Artifacts
from bench.identity import Stage
from bench.pixels import Cache
from bench.progress import Progress
from bench.provenance import Meter
from bench.stop import Stop
from bench.tracking.tracker import UNTRACKED, Tracker
from registry.datasets import source_row
from registry.datasets.split import Split


@dataclass
class Context:
    """One worker on one device."""

    artifacts: Artifacts
    data: Path
    device: torch.device
    progress: Progress
    cache: Cache
    stop: Stop = field(default_factory=Stop)
    tracker: Tracker = UNTRACKED
    """Told of each training and each finished cell."""
    devices: Sequence[str] = ()
    """On which a training goes on together, where they are several; else there is the one."""
    splits: dict[str, Split] = field(default_factory=dict)
    """Datasets read so far: each is prepared and verified once per worker."""
    meter: Meter = field(init=False)
    """Of the stage under way."""

    def __post_init__(self) -> None:
        self.measure(None)

    def measure(self, log: str | None) -> None:
        """Begin a stage: what it costs is counted from here."""
        self.meter = Meter(self.device, log)

    def split(self, dataset: str) -> Split:
        """Prepare and read a dataset."""
        if dataset not in self.splits:
            row = source_row(dataset)
            self.splits[dataset] = row.read(row.prepare(self.data))
        return self.splits[dataset]

    def publish(self, stage: Stage, write: Callable[[Path], None]) -> Path:
        """Leave a stage's artifact, with what it cost."""
        return self.artifacts.publish(stage, write, self.meter.computed)

    def record(self, text: str) -> None:
        """Say what was done otherwise than asked, also to those who will read the artifact."""
        self.meter.notes.append(text)
        self.progress.note(text)
