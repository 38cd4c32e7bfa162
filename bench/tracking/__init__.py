"""Trackers of experiments that users already look at: one row each, told only if asked (--track).

Nothing here imports a tracker's package before a run starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from bench.tracking import tensorboard, wandb
from bench.tracking.events import EventsFile
from bench.tracking.tracker import Guarded, Several, Tracker
from registry.errors import UsageError
from registry.table import Table


@dataclass(frozen=True, kw_only=True)
class TrackerRow:
    """A tracker, and what has to be installed for it."""

    name: str
    meaning: str
    package: str
    """That is imported."""
    extra: str
    """Of this distribution, that installs it."""
    open: Callable[[Path], Tracker]
    """RUNS/tracking -> what is told of one run."""


TRACKERS: Table[TrackerRow] = Table(
    "tracker",
    [
        TrackerRow(
            name="tensorboard",
            meaning="event files in RUNS/tracking/tensorboard",
            package="tensorboard",
            extra="tensorboard",
            open=tensorboard.TensorBoard,
        ),
        TrackerRow(
            name="wandb",
            meaning="Weights & Biases, in RUNS/tracking/wandb; offline unless WANDB_MODE says else",
            package="wandb",
            extra="wandb",
            open=wandb.WeightsAndBiases,
        ),
    ],
)


def check_trackers(names: Sequence[str]) -> None:
    """Raise UsageError for an unknown tracker, or one whose package is not installed."""
    for name in names:
        row = TRACKERS[name]
        if find_spec(row.package) is None:
            raise UsageError(
                f"--track {name}: the package {row.package} is not installed; "
                f"pip install 'retrieval-bench[{row.extra}]'"
            )


def open_trackers(names: Sequence[str], runs: Path, note: Callable[[str], None]) -> Tracker:
    """Return what is told of every run of this process, one after another; it never raises.

    The events file is always one of them.

    note is told of a tracker that fails and is switched off.
    """
    events = Guarded("the events file", partial(EventsFile, runs), note)
    folder = runs / "tracking"
    asked = [
        Guarded(f"--track {row.name}", partial(row.open, folder), note)
        for row in (TRACKERS[name] for name in dict.fromkeys(names))
    ]
    return Several([events, *asked])
