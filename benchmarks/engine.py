"""What the engine costs beside the work itself.

python benchmarks/engine.py [cells] [planning] [ablation] [--quick]

cells     1,000 cells with next to no work: seconds per cell beyond what the stages take, start-up
          (interpreter, torch, timm; what one cell takes beyond its stages) apart
planning  bench run --dry-run of 10,000 cells, and make_plan alone
ablation  40 cells off the shelf, 4 poolings x 5 dims x 2 folders of drawn photographs, beside one
          bare forward pass over the same images (engine_bare.py), in turns. Whitening is no axis
          yet, and projection=none exists at the native width alone: hence two folders.

--quick: smaller sizes that show that it runs, and nothing about speed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from engine_stages import recorded
from PIL import Image
from tabulate import tabulate

from registry.datasets.drawing import look, picture

ROOT = Path(__file__).resolve().parent.parent
BARE = Path(__file__).with_name("engine_bare.py")
SHELF = ("weights=scratch", "loss=none", "pooling=cls,avg,max,gem")
TRIVIAL = ("backbone=tiny_vit", "resolution=32", *SHELF)
PLANNED = ("backbone=deit_ti", "dataset=twins", "weights=scratch", "pooling=cls,avg,max,gem")
ABLATION = ("backbone=deit_ti", "resolution=224", *SHELF)
BARE_MODEL = "deit_tiny_patch16_224"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    cells: tuple[str, ...]
    planned: tuple[str, ...]
    images: int
    """In each of two folders."""
    dims: str
    rounds: int


FULL = Size(("dims=1..50", "seed=0..4"), ("dims=1..50", "seed=0..9"), 300, "16,32,64,128,192", 3)
QUICK = Size(("dims=1..2", "seed=0"), ("dims=1..5", "seed=0"), 12, "2,4,6,8,10", 1)


@dataclass(frozen=True)
class Row:
    """One measurement; the goal is the most it may be."""

    what: str
    value: float
    unit: str
    goal: float | None = None

    def cells(self) -> list[str]:
        """Write it for a table."""
        unit = f" {self.unit}" if self.unit else ""
        if self.goal is None:
            return [self.what, f"{self.value:.3g}{unit}", "", ""]
        reached = "yes" if self.value <= self.goal else "**no**"
        return [self.what, f"{self.value:.3g}{unit}", f"≤ {self.goal:g}{unit}", reached]


@dataclass(frozen=True)
class Place:
    """A folder for everything, and runs of the command line in it."""

    folder: Path

    def bench(self, name: str, *words: str) -> float:
        """Run a matrix in a run folder of its own as users do; return the seconds."""
        command = [sys.executable, "-m", "bench", "run", *words]
        options = ["--runs", str(self.folder / name), "--data", str(self.folder / "data")]
        return timed([*command, *options, "--device", "cpu", "--quiet"])[0]

    def beyond(self, name: str, *words: str) -> tuple[float, float]:
        """Run a matrix; return its seconds and those of its stages."""
        seconds = self.bench(name, *words)
        return seconds, recorded(self.folder / name)


def timed(command: Sequence[str]) -> tuple[float, str]:
    """Run a command; return its seconds and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def trivial(place: Place) -> str:
    """Draw the tiny images, once, and name their data set."""
    folder = place.folder / "tiny"
    if not folder.is_dir():
        draw(folder, 55, lambda rng: rng.integers(0, 256, size=(32, 32, 3), dtype=np.uint8))
    return f"dataset=folder:{folder}"


def start_up(place: Place, name: str) -> float:
    """Seconds of a run of one trivial cell beyond its stages."""
    words = (*TRIVIAL[:-1], "pooling=cls", trivial(place), "dims=1", "seed=0")
    seconds, stages = place.beyond(name, *words)
    return seconds - stages


def measure_cells(place: Place, size: Size) -> Iterator[Row]:
    """Time many cells with next to no work."""
    words = (*TRIVIAL, trivial(place), *size.cells)
    start = start_up(place, "one-cell")
    seconds, stages = place.beyond("cells", *words)
    cells = len(list((place.folder / "cells" / "reports").glob("*.json")))
    yield Row(f"{cells:,} trivial cells", seconds, "s")
    yield Row("of it their stages", stages, "s")
    yield Row("of it start-up", start, "s")
    yield Row("per cell beyond its stages", 1000 * (seconds - stages - start) / cells, "ms", 10)
    yield Row("per cell beyond its stages, with start-up", 1000 * (seconds - stages) / cells, "ms")


def measure_planning(place: Place, size: Size) -> Iterator[Row]:
    """Time planning, as a command and alone."""
    from bench.matrix import read_matrix
    from bench.plan import make_plan

    words = (*PLANNED, *size.planned)
    walls = [place.bench("planned", *words, "--dry-run") for _ in range(size.rounds)]
    matrix = read_matrix(words, preset=None, exclude=[])
    started = time.perf_counter()
    plan = make_plan(matrix, skip_bad_images=False)
    alone = time.perf_counter() - started
    cells = len(plan.cells)
    yield Row(f"bench run --dry-run of {cells:,} cells", statistics.median(walls), "s", 2)
    yield Row("of it make_plan", alone, "s")


def measure_ablation(place: Place, size: Size) -> Iterator[Row]:
    """Time the ablation and the bare pass in turns."""
    folders = [place.folder / "left", place.folder / "right"]
    for number, folder in enumerate(folders):
        draw(folder, size.images, photograph, seed=number)
    datasets = ",".join(f"folder:{folder}" for folder in folders)
    words = (*ABLATION, f"dataset={datasets}", f"dims={size.dims}")
    starts, runs, passes, wholes, models = [], [], [], [], []
    for number in range(size.rounds):
        whole, seconds, model = bare_pass(folders)
        wholes.append(whole)
        passes.append(seconds)
        models.append(model)
        starts.append(start_up(place, f"start-{number}"))
        runs.append(place.bench(f"ablation-{number}", *words))
    cells = len(list((place.folder / "ablation-0" / "reports").glob("*.json")))
    images = len(folders) * size.images
    start = statistics.median(starts)

    def ratio(ours: list[float], theirs: list[float], less: float = 0) -> float:
        return statistics.median(
            (one - less) / other for one, other in zip(ours, theirs, strict=True)
        )

    yield Row(f"{cells} cells off the shelf, {images} images", statistics.median(runs), "s")
    yield Row("of it start-up", start, "s")
    yield Row("one bare pass over them: read, resize, compute", statistics.median(passes), "s")
    yield Row("of it the model alone", statistics.median(models), "s")
    yield Row("one bare pass, with start-up", statistics.median(wholes), "s")
    yield Row("ratio", ratio(runs, passes, less=start), "", 1.1)
    yield Row("ratio, both with start-up", ratio(runs, wholes), "")
    yield Row("ratio to the model alone", ratio(runs, models, less=start), "")


def bare_pass(folders: Sequence[Path]) -> tuple[float, float, float]:
    """Seconds of a process, its pass and the model in it: the faster of two usual ways to read."""
    found = []
    for workers in (0, min(4, os.cpu_count() or 1)):
        command = [sys.executable, str(BARE), BARE_MODEL, str(workers), *map(str, folders)]
        whole, printed = timed(command)
        inside = json.loads(printed)
        found.append((whole, inside["seconds"], inside["model"]))
    return min(found, key=lambda measured: measured[1])


Draw = Callable[[np.random.Generator], "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"]


def draw(folder: Path, images: int, pixels: Draw, *, seed: int = 0) -> None:
    """Write JPEGs, four of a class; there are no two equal ones."""
    for index in range(images):
        rng = np.random.default_rng([seed, index])
        path = folder / f"class{index // 4:03}" / f"{index % 4}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(rng)).save(path, quality=90)


def photograph(rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Draw a picture of a usual size with the grain of photographs."""
    return picture(look("bird", rng), rng, width=500, height=375).pixels


PARTS = {"cells": measure_cells, "planning": measure_planning, "ablation": measure_ablation}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar=" ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="small, for a try")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="engine-") as name:
        for part in arguments.parts or PARTS:
            rows += PARTS[part](Place(Path(name)), QUICK if arguments.quick else FULL)
    threads = os.environ.get("OMP_NUM_THREADS", os.cpu_count())
    words = [*arguments.parts, *(["--quick"] if arguments.quick else [])]
    command = " ".join(["python benchmarks/engine.py", *words])
    print(f"{platform.processor() or platform.machine()}, {threads} threads; `{command}`\n")
    headers = ["what", "measured", "goal", "reached"]
    print(tabulate((row.cells() for row in rows), headers, "github", disable_numparse=True))


if __name__ == "__main__":
    main()
