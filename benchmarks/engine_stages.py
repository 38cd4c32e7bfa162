"""What the stages of a matrix take themselves, whoever runs them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path


def recorded(runs: Path) -> float | None:
    """Add up what the artifacts of a run folder say of themselves; None where they say nothing.

    Features that one extraction yielded at once tell the same of it, and count once.
    """
    seconds: dict[tuple[object, ...], float] = {}
    for path in (runs / "artifacts").glob("*/*/artifact.json"):
        found = json.loads(path.read_text())["computed"]
        which = (found.get("log") or path, found["pid"], found["started"], found["finished"])
        seconds[which] = found["wall_seconds"]
    return sum(seconds.values()) if seconds else None


def in_process(words: Sequence[str], runs: Path, data: Path) -> float:
    """Compute every stage of a matrix here, one after another; return the seconds that took."""
    import torch

    from bench.execution.artifacts import Artifacts
    from bench.execution.work import compute
    from bench.matrix import read_matrix
    from bench.pixels import Cache
    from bench.plan import make_plan
    from bench.progress import Silent
    from bench.stages.context import Context

    plan = make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)
    progress = Silent()
    cache = Cache(runs / "cache", 10**9, progress.note)
    context = Context(Artifacts(runs), data, torch.device("cpu"), progress, cache)
    stages = dict.fromkeys(stage for cell in plan.cells for stage in cell.stages())
    poolings = plan.poolings()
    started = time.perf_counter()
    for stage in stages:
        compute(stage, poolings, context)
    return time.perf_counter() - started
