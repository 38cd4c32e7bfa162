"""TensorBoard: event files that `tensorboard --logdir RUNS/tracking/tensorboard` shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FLUSH_EVERY = 10
"""Seconds until a value can be seen."""
LONGEST = 150
"""Characters of a run's name in that of its folder, which may have 255 bytes."""


class TensorBoard:
    """One run: a folder of event files, one for each time that the run went on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tensorboard"
        self._config: Mapping[str, object] = {}
        self._writer: SummaryWriter | None = None
        self._last = 0

    def start(self, key: str, name: str, config: Mapping[str, object]) -> None:
        """Remember it: what is shown of an earlier part depends on the first step to come."""
        self._folder /= folder_name(key, name)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._config = config

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars."""
        self._write(step, values)
        self._last = step

    def finish(self, summary: Mapping[str, float]) -> None:
        """Write the summary as scalars of the last step, and the status as text."""
        self._write(self._last, {f"final/{name}": value for name, value in summary.items()})
        self._end("finished")

    def fail(self, message: str) -> None:
        """Write the message as text."""
        self._end(message)

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        writer = self._open(step)
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    def _end(self, status: str) -> None:
        writer = self._open(self._last)
        writer.add_text("status", status, self._last)
        writer.close()

    def _open(self, step: int) -> SummaryWriter:
        """Open at the first step: a viewer then drops what an earlier part has of it and after."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=step, flush_secs=FLUSH_EVERY)
            self._writer.add_text("config", as_table(self._config), step)
        return self._writer


def folder_name(key: str, name: str) -> str:
    """Name a run's folder: readable, valid on any disk, unique by its key."""
    readable = re.sub(r"[^A-Za-z0-9.,=+@-]+", "_", name)[:LONGEST].strip("_.")
    return f"{readable}-{key}"


def as_table(config: Mapping[str, object]) -> str:
    """Write Markdown, which TensorBoard shows as a table."""
    cells = {name: str(value).replace("|", "\\|") for name, value in config.items()}
    rows = [f"| {name} | {value} |" for name, value in cells.items()]
    return "\n".join(["| name | value |", "|---|---|", *rows])
