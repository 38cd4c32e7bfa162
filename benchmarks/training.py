"""What a training step costs beside the bare network's, and where it goes.

python benchmarks/training.py [--backbone deit_s] [--resolution 224] [--batch 16] [--device cpu]
    [--precision float32] [--turns 12] [--quick]

Ours is bench.train.loop.train as it is: batches augmented from the cache of pixels, contrastive +
koleo with a memory of 59,551 descriptors that is full from the first step on, clipped gradients,
fused AdamW, and all that is told of a step. The bare step is forward, backward and fused AdamW of
the same timm network, on a batch that lies on the device. The two take turns, step by step; medians
count. drop_path, which is part of the recipe, is 0 in both.

Photographs are drawn, written as JPEGs, and decoded before: in 35,000 steps each of SOP's images is
seen 38 times, and decoded once. Of the pairs of a batch with the memory 0.5 % are active. A step of
ours ends when its next batch is there. On a GPU the parts are timed in turns of their own, since
each then waits for the device. Processor seconds are those of all threads together: the better
ratio where other processes share the cores, if OMP_NUM_THREADS=1 keeps threads from waiting busily.

--quick: a tiny network and memory, to show that it runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from engine import Row
from tabulate import tabulate
from training_bare import Bare
from training_ours import Measured, Task, train_in_turns
from training_turns import Turn, Turns

GOAL = 1.03
PRECISE = 5
"""Turns on a GPU in which parts are timed."""
RECIPE_BATCH = 64
"""Images of a step, of the recipes whose hours are projected."""


def main() -> None:
    """Print a table."""
    options = _arguments()
    task = _task(options)
    precise = PRECISE if task.device.type == "cuda" else 0
    bare = Bare(task.backbone, task.resolution, task.batch, task.device, task.precision)
    turns = Turns(bare.step, task.device, precise_from=2 + options.turns if precise else 0)
    with tempfile.TemporaryDirectory(prefix="training-") as name:
        # the first two warm up; the last has no batch to draw ahead
        steps = 2 + options.turns + precise + 1
        measured = train_in_turns(task, steps, turns, Path(name))
    compared = turns.done[2 : 2 + options.turns]
    parted = turns.done[2 + options.turns : -1] if precise else compared
    rows = [*_compared(compared, task), *_parted(parted), *_beside(measured)]
    where = _device_name(task.device)
    print(
        f"{task.backbone} at {task.resolution} pixels, batch {task.batch}, {task.precision}, "
        f"memory {task.images:,}; {where}, torch {torch.__version__}\n"
    )
    headers = ["what", "measured", "goal", "reached"]
    print(tabulate((row.cells() for row in rows), headers, "github", disable_numparse=True))


def _compared(turns: Sequence[Turn], task: Task) -> Iterator[Row]:
    def median(value: Callable[[Turn], float]) -> float:
        return statistics.median(map(value, turns))

    pace = task.batch / median(lambda turn: turn.ours.seconds)
    yield Row("our step", median(lambda turn: turn.ours.seconds), "s")
    yield Row("bare step", median(lambda turn: turn.bare.seconds), "s")
    yield Row("ratio", median(lambda turn: turn.ours.seconds / turn.bare.seconds), "", GOAL)
    if task.device.type == "cpu":
        processor = median(lambda turn: turn.ours.processor / turn.bare.processor)
        yield Row("ratio of processor seconds", processor, "", GOAL)
    yield Row("our training", pace, "images/s")
    for steps in (2_000, 35_000):
        hours = steps * RECIPE_BATCH / pace / 3600
        yield Row(f"{steps:,} steps of {RECIPE_BATCH} images", hours, "h")
    yield Row("peak memory in our steps", max(turn.ours.peak for turn in turns) / 1e9, "GB")
    yield Row("peak memory in bare steps", max(turn.bare.peak for turn in turns) / 1e9, "GB")


def _parted(turns: Sequence[Turn]) -> Iterator[Row]:
    shares = [turn.shares() for turn in turns]
    for name in shares[0]:
        share = statistics.median(found[name] for found in shares)
        yield Row(f"of our step: {name}", 100 * share, "%")


def _beside(measured: Measured) -> Iterator[Row]:
    yield Row("feed alone, from the cache", 1 / measured.feeding, "images/s")
    yield Row("decoding and resizing anew, one thread", 1 / measured.decoding, "images/s")
    yield Row("a checkpoint, once a minute or less often", measured.writing, "s")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} threads"
    return f"{platform.processor() or platform.machine()}, {threads}"


def _task(options: argparse.Namespace) -> Task:
    device = torch.device(options.device)
    if options.quick:
        sizes = {"photographs": 8, "images": 400, "classes": 80}
        return Task("tiny_vit", 32, 4, options.precision, device, **sizes)
    about = (options.backbone, options.resolution, options.batch, options.precision)
    return Task(*about, device, photographs=64)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--backbone", default="deit_s")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["float32", "bf16", "fp16"], default="float32")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--quick", action="store_true", help="small, for a try")
    return parser.parse_args()


if __name__ == "__main__":
    main()
