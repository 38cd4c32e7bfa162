"""Weights & Biases: runs kept on disk for `wandb sync`, or sent at once if WANDB_MODE says so.

A training that was stopped and goes on is one run: online it is resumed, and W&B drops the steps
that come again. Offline each part is a folder of its own, offline-run-<time>-<key>, and joining
them is left to `wandb sync`. Before 0.31 W&B ignored resume offline, with a warning that no
setting mutes, and the part that was synced last replaced the others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = "retrieval-bench"
"""Unless WANDB_PROJECT names another."""
PATIENCE = 60.0
"""Seconds that a finished run waits for a server."""


class WeightsAndBiases:
    """One run of W&B; its id is the run's key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder  # W&B makes its own wandb/ in it
        self._run: Any = None

    def start(self, key: str, name: str, config: Mapping[str, object]) -> None:
        """Start or go on with the run of this key; asks for nothing and prints nothing offline."""
        chosen = os.environ.get("WANDB_MODE")
        if not chosen:
            # its service would report its own errors over the network
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)  # else it takes the system's temporary one
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=key,
            name=name,
            config=dict(config),
            dir=str(self._folder),
            mode=None if chosen else "offline",
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(
                silent=True,
                console="off",
                save_code=False,
                disable_git=True,
                x_disable_stats=True,  # a second process beside what is measured
                x_disable_machine_info=True,
                finish_timeout=PATIENCE,
                finish_timeout_raises=True,
            ),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send a step."""
        self._run.log(dict(values), step=step)

    def finish(self, summary: Mapping[str, float]) -> None:
        """Add the summary, and end the run."""
        self._run.summary.update({**summary, "status": "finished"})
        self._run.finish(exit_code=0)

    def fail(self, message: str) -> None:
        """End the run as failed."""
        self._run.summary.update({"status": message})
        self._run.finish(exit_code=1)
