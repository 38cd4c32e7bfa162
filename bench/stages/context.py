"""What every stage is handed beside its own inputs: places and a device, never a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from bench.execution.artifacts import Artifacts
from bench.pixels import Cache
from bench.progress import Progress
from bench.stop import Stop
from registry.datasets import source_row
from registry.datasets.split import Split


@dataclass
class Context:
    """One run on one device."""

    artifacts: Artifacts
    data: Path
    device: torch.device
    progress: Progress
    cache: Cache
    stop: Stop = field(default_factory=Stop)
    splits: dict[str, Split] = field(default_factory=dict)
    """Datasets read so far: each is prepared and verified once per run."""

    def split(self, dataset: str) -> Split:
        """Prepare and read a dataset."""
        if dataset not in self.splits:
            row = source_row(dataset)
            self.splits[dataset] = row.read(row.prepare(self.data))
        return self.splits[dataset]
