"""At work: who holds a lease in a run folder, as people read it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.estimate import duration
from bench.execution import lease_files
from bench.execution.leases import EXPIRY, FOLDER


def at_work(runs: Path) -> Iterator[tuple[str, str]]:
    """Name of a lease -> who holds it and how far that is, unless its process is known to be gone.

    The age of the last sign of life is by the clocks: for people to judge, not for us.
    """
    for path, lease in lease_files.all_in(runs / FOLDER):
        if not lease.owner.gone():
            who = f"{lease.what}, by {lease.owner} since {lease.since}"
            yield path.stem, ", ".join([who, _sign(path), *_how_far(lease.progress or {})])


def _sign(path: Path) -> str:
    seconds = max(0.0, time.time() - lease_files.renewed(path))
    age = f"{seconds:.0f} s" if seconds < 2 * EXPIRY else f"{seconds / 60:.0f} min"
    doubt = ": it may be dead, and a run would take over" if seconds > EXPIRY else ""
    return f"heartbeat {age} ago{doubt}"


def _how_far(progress: Mapping[str, Any]) -> Iterator[str]:
    """Steps done, their rate and the time left, as far as each is known."""
    done, total, rate = (progress.get(name) for name in ("done", "total", "per_second"))
    unit = progress.get("unit") or "steps"
    if done is None:
        return
    yield f"{done:,} of {total:,} {unit}" if total else f"{done:,} {unit}"
    if not rate:
        return
    yield f"{rate:.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"
    if total:
        yield f"{duration(max(0, total - done) / rate)} left"
