"""What the contrastive loss with a full-size memory costs, to pytorch-metric-learning's.

python benchmarks/training_loss.py [--rounds N] [--batch 64,256] [--memory 8192,59551] [--dims 384]

Forward and backward of eq. 1 over the batch and over a memory that has the batch in it already, as
the library's CrossBatchMemory has: ContrastiveLoss with cosine similarity and SumReducer, by itself
and in CrossBatchMemory, divided by the batch size. All take turns within one run, so that a noisy
machine slows all; medians and their ratios count. The bare product is batch x memory, forward.
Needs pytorch-metric-learning.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import ContrastiveLoss, CrossBatchMemory
from pytorch_metric_learning.reducers import SumReducer
from tabulate import tabulate
from torch import Tensor
from torch.nn.functional import normalize

from registry.losses import contrastive
from registry.losses.labelled import Labelled
from registry.losses.space import Space

CLASSES = 11_318
"""As many as SOP has to train on."""
BETA = 0.5
GOAL = 4.0
"""Times as fast as the library, at batch 64 and a memory of SOP's size."""


@dataclass(frozen=True)
class Case:
    """A batch, and a memory whose last entries it is."""

    batch: Labelled
    memory: Labelled


def main() -> None:
    """Print a row for each size."""
    options = _arguments()
    rows = [
        _row(draw(batch, memory, options.dims), options.rounds)
        for batch in options.batch
        for memory in options.memory
    ]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.dims} dims; ms")
    print(tabulate(rows, headers="keys", tablefmt="github"))
    print(f"goal: {GOAL:g} times as fast as the library at 64 x 59,551")


def draw(batch: int, memory: int, dims: int) -> Case:
    """Draw descriptors such that about 0.5 % of the negative pairs are active: a part trained."""
    generator = torch.Generator().manual_seed(0)

    def points(count: int) -> Tensor:
        return normalize(torch.randn(count, dims, generator=generator), dim=1)

    labels = torch.randint(0, CLASSES, (memory,), generator=generator)
    labels[-batch:] = labels[-batch:][::2].repeat_interleave(2)[:batch] if batch > 1 else 0
    kinds, classes, images = points(200), points(CLASSES), points(memory)
    mixed = 0.75 * kinds[labels % 200] + 0.45 * classes[labels] + 0.48 * images
    everything = Labelled(normalize(mixed, dim=1), labels, torch.arange(memory))
    return Case(Labelled(*(part[-batch:] for part in everything[:3])), everything)


def ours(case: Case) -> Tensor:
    """Compute the gradient of eq. 1 by the batch's descriptors."""
    loss = contrastive.build({"beta": BETA}, Space(CLASSES, case.batch.descriptors.shape[1]))
    found = case.batch.descriptors.clone().requires_grad_()
    value = loss(case.batch._replace(descriptors=found), case.memory)
    (gradient,) = torch.autograd.grad(value, found)
    return gradient


def library(case: Case) -> Callable[[], Tensor]:
    """Fill the library's memory; return what computes the same gradient with it."""
    size, dims = case.memory.descriptors.shape
    rest = size - len(case.batch.labels)
    loss = ContrastiveLoss(
        pos_margin=1, neg_margin=BETA, distance=CosineSimilarity(), reducer=SumReducer()
    )
    memory = CrossBatchMemory(loss, embedding_size=dims, memory_size=size)
    memory.add_to_memory(case.memory.descriptors[:rest], case.memory.labels[:rest], rest)

    def gradient() -> Tensor:
        memory.queue_idx = rest  # the batch goes where it was
        found = case.batch.descriptors.clone().requires_grad_()
        value = loss(found, case.batch.labels) + memory(found, case.batch.labels)
        (by_batch,) = torch.autograd.grad(value / len(found), found)
        return by_batch

    return gradient


def _row(case: Case, rounds: int) -> dict[str, str]:
    left, right = case.batch.descriptors, case.memory.descriptors
    ways = {"bare product": lambda: left @ right.T, "library": library(case)}
    ways |= {"ours": lambda: ours(case)}
    times = _turns(ways, rounds)
    expected, found = (_tangent(ways[name](), left) for name in ("library", "ours"))
    other = case.batch.labels[:, None] != case.memory.labels[None, :]
    active = ((left @ right.T > BETA) & other).float().mean()
    return {
        "batch x memory": f"{len(left)} x {len(right):,}",
        "active pairs": f"{100 * float(active):.2f} %",
        **{name: f"{1000 * seconds:.1f}" for name, seconds in times.items()},
        "ours / product": f"{times['ours'] / times['bare product']:.2f}",
        "library / ours": f"{times['library'] / times['ours']:.1f}",
        "gradients differ by": f"{float((found - expected).norm() / expected.norm()):.0e}",
    }


def _tangent(gradient: Tensor, descriptors: Tensor) -> Tensor:
    """Leave out what points along a descriptor: the library normalises once more, and so loses it.

    A network's own normalisation does the same to ours.
    """
    return gradient - (gradient * descriptors).sum(dim=1, keepdim=True) * descriptors


def _turns(ways: dict[str, Callable[[], Tensor]], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if turn:  # the first is to warm up
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in times.items()}


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(word) for word in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=numbers, default=[64, 256])
    parser.add_argument("--memory", type=numbers, default=[8_192, 59_551])
    parser.add_argument("--dims", type=int, default=384)
    return parser.parse_args()


if __name__ == "__main__":
    main()
