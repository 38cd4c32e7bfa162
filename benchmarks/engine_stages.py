"""What the stages of a matrix take themselves, whoever runs them."""

from __future__ import annotations

import json
from pathlib import Path


def recorded(runs: Path) -> float:
    """Add up what the artifacts of a run folder say that they took, in seconds.

    Features that one extraction yielded tell of the same seconds: the last has all of them.
    """
    seconds: dict[tuple[object, ...], float] = {}
    for path in (runs / "artifacts").glob("*/*/artifact.json"):
        found = json.loads(path.read_text())["computed"]
        stage = (found["log"], found["pid"], found["started"])
        seconds[stage] = max(found["wall_seconds"], seconds.get(stage, 0.0))
    return sum(seconds.values())
