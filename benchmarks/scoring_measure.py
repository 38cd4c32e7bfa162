"""Measure one method on one case: a process of its own, so that peak memory is the method's.

python benchmarks/scoring_measure.py FOLDER METHOD REPEAT

The inputs are in memory and everything is imported and warm before the memory is read. The bare
product runs before and after each repeat; the ratio is to the mean of the two. Prints JSON.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from scoring_data import Data, load
from scoring_numbers import Numbers
from scoring_ours import OURS
from scoring_peers import PEERS

METHODS = {**OURS, **PEERS}
WARM_IMAGES = 256
SHORT = 0.5
SIDE, WIDEST = 1536, 32768
"""Tiles of the bare product, as the engine's on a processor."""


@dataclass(frozen=True)
class Measurement:
    """Medians over the repeats; the largest memory."""

    seconds: float
    ratio: float
    gigabytes: float
    numbers: Numbers


def main(folder: str, method: str, repeat: str) -> None:
    """Print the measurement of one method as a line of JSON."""
    print(json.dumps(asdict(measure(Path(folder), method, int(repeat)))))


def measure(folder: Path, name: str, repeat: int) -> Measurement:
    """Time a method between bare products."""
    method, data = METHODS[name], load(folder)
    if method.most_images:
        data = data.first(method.most_images)
    warm = data.first(WARM_IMAGES)
    method.run(warm)
    product(warm)
    gc.collect()
    before = kilobytes("VmRSS")
    products, seconds, peaks = [timed(lambda: product(data))], [], []
    numbers: Numbers = {}
    for _ in range(repeat):
        forget_peak()
        seconds.append(timed(lambda: numbers.update(method.run(data))))
        peaks.append(kilobytes("VmHWM"))
        products.append(timed(lambda: product(data)))
    around = [(one + two) / 2 for one, two in pairwise(products)]
    return Measurement(
        seconds=statistics.median(seconds),
        ratio=statistics.median(a / b for a, b in zip(seconds, around, strict=True)),
        gigabytes=(max(peaks) - before) * 1024 / 1e9,
        numbers=numbers,
    )


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call: of a short one, the median of as many as half a second takes."""
    seconds: list[float] = []
    while sum(seconds) < SHORT:
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def product(data: Data) -> None:
    """Multiply all queries with the whole gallery in float32, tile by tile; keep nothing."""
    rows = min(SIDE, len(data.queries))
    columns = min(SIDE * SIDE // rows, WIDEST)
    tile = torch.empty(rows * columns)
    for part in map(torch.from_numpy, data.parts):
        for some in torch.split(torch.from_numpy(data.queries), rows):
            for others in torch.split(part, columns):
                out = tile[: len(some) * len(others)].view(len(some), len(others))
                torch.mm(some, others.T, out=out)


def kilobytes(field: str) -> float:
    """Memory of this process by /proc's name for it, NaN where there is no /proc."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return float(line.split()[1])
    return float("nan")


def forget_peak() -> None:
    """Set VmHWM to what is resident now; where that is not allowed it counts from the start."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main(*sys.argv[1:])
