"""How much the shared stages save: one matrix of off-the-shelf cells, against a run per cell.

python benchmarks/sharing.py
"""

import tempfile
import time
from pathlib import Path

from bench.execution.command import Request, run_matrix
from bench.matrix import read_matrix
from bench.plan import make_plan, summary

AXES = {"pooling": ["cls", "avg", "max", "gem"], "dims": ["16", "32", "64", "128", "192"]}
FIXED = ["backbone=deit_ti", "dataset=twin-cub,twin-sop", "weights=scratch", "loss=none"]


def run(words: list[str], runs: Path, data: Path) -> tuple[float, str]:
    """Run a matrix quietly; return its seconds and what it consists of."""
    plan = make_plan(read_matrix([*FIXED, *words], preset=None, exclude=[]), skip_bad_images=False)
    request = Request(
        runs=runs,
        data=data,
        device="cpu",
        force=False,
        keep_going=True,
        quiet=True,
        cache_gb=1,
    )
    started = time.perf_counter()
    assert run_matrix(plan, request) == 0
    return time.perf_counter() - started, summary(plan)


def main() -> None:
    """Print the seconds of both ways and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(["pooling=cls", "dims=16"], folder / "warm", folder / "data")
        words = [f"{axis}={','.join(values)}" for axis, values in AXES.items()]
        shared, cells = run(words, folder / "shared", folder / "data")
        alone = 0.0
        for pooling in AXES["pooling"]:
            for dims in AXES["dims"]:
                single = [f"pooling={pooling}", f"dims={dims}"]
                alone += run(single, folder / f"{pooling}-{dims}", folder / "data")[0]
    print(
        f"{cells}: shared {shared:.1f} s, a run per cell {alone:.1f} s, ratio {alone / shared:.1f}"
    )


if __name__ == "__main__":
    main()
