"""Validation while training: classes held out, their images embedded, Recall@1 among them.

Nothing of it shows in the training: its generators, modes and statistics stay where they were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from bench.exact.classes import first_hits
from bench.exact.grid import Floats, on_grid
from bench.exact.mates import Side
from bench.exact.walk import Walk
from bench.images import DECODERS, ImageSource
from bench.metrics.recall import recall_at_k
from bench.train.generators import generators, set_generators
from registry.datasets.split import Positions
from registry.errors import UsageError, WorkError
from registry.transforms import Pixels

SEED = 0
"""Of the drawing of held-out classes, whatever the training's seed is: all seeds and
hyper-parameters are then compared on the same ones."""
LEAST = 2
"""Classes on either side."""
CPU = torch.device("cpu")


def held_out(labels: Positions, share: float, seed: int = SEED) -> tuple[Positions, Positions]:
    """Split images by class: positions to train on, and a share of the classes to validate on.

    labels: (N,) from 0; images below 0 are of no class and stay in training. Either side has two
    classes and a class with two images at least. Raises WorkError where there are too few.
    """
    if not 0 < share < 1:
        raise UsageError(
            f"validation_share={share}: give the share of the classes to hold out, between 0 and 1"
        )
    classes, sizes = np.unique(labels[labels >= 0], return_counts=True)
    paired = int((sizes > 1).sum())
    if len(classes) < 2 * LEAST or paired < 2:
        raise WorkError(
            f"the training split has {len(classes)} classes, {paired} of them with two images or "
            f"more: to hold some out for validation takes {2 * LEAST}, of which 2 have two images; "
            "use selection=last, or add classes"
        )
    order = np.random.default_rng(seed).permutation(len(classes))
    pairs = np.flatnonzero(sizes[order] > 1)
    order = _first_and_last(order, int(pairs[0]), int(pairs[-1]))
    count = min(max(round(share * len(classes)), LEAST), len(classes) - LEAST)
    inside = np.isin(labels, classes[order[:count]])
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def _first_and_last(order: Positions, first: int, last: int) -> Positions:
    """Move one place of an order to its start, a later one to its end."""
    between = np.delete(order, [first, last])
    return np.concatenate([order[[first]], between, order[[last]]])


def recall_at_1(
    descriptors: Floats,
    labels: Positions,
    *,
    queries: Positions | None = None,
    gallery: Positions | None = None,
    device: torch.device = CPU,
) -> float:
    """Mean over queries of Recall@1, exact, ties at their expected value: a share.

    descriptors: (N, D) of any length, labels: (N,); queries and gallery are positions in them, all
    unless given. A query is not compared with itself, one without a relevant image is none. Raises
    WorkError where no query is left, or for what holds no numbers.
    """
    everything = np.arange(len(labels), dtype=np.int64)
    asked, found = (everything if part is None else part for part in (queries, gallery))
    rows = _unit(descriptors)
    left = Side(rows[asked], labels[asked], asked)
    right = left if np.array_equal(asked, found) else Side(rows[found], labels[found], found)
    values = recall_at_k(first_hits(left, right, Walk(device)), 1)
    if np.isnan(values).all():
        raise WorkError(
            f"none of {len(asked)} queries has an image of its class to find among {len(found)}: "
            "Recall@1 needs classes with two images or more"
        )
    return float(np.nanmean(values))


def _unit(descriptors: Floats) -> Floats:
    """L2-normalise rows on the grid of exact scoring; zero rows stay zero."""
    rows = descriptors.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return on_grid(rows / np.where(norms == 0, 1.0, norms))


def embed_images(
    network: nn.Module,
    embed: Callable[[Tensor], Tensor],
    source: ImageSource,
    positions: Positions,
    *,
    batch: int,
    device: torch.device,
) -> Floats:
    """Embed images by (B, 3, h, w) uint8 -> (B, D), in eval mode and without chance: (N, D).

    Where the source augments, the centre of what it crops from is taken: the kept pixels of the
    training serve. Raises BadImageError.
    """
    found: dict[int, Floats] = {}
    with unchanged(network, device), torch.no_grad():
        for places, pixels in _batches(source, positions, batch):
            rows = embed(torch.from_numpy(pixels).permute(0, 3, 1, 2)).float().cpu().numpy()
            found |= zip(places, rows, strict=True)
    if not found:
        raise WorkError("there are no images to embed: give one position or more")
    return np.stack([found[place] for place in range(len(positions))])


@contextmanager
def unchanged(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Put a network into eval mode, and each of its modules back; torch's generators too."""
    modes = {module: module.training for module in network.modules()}
    places = generators(device)
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():  # one by one: frozen ones were in eval before
            module.training = mode
        set_generators(places, device)


def _batches(
    source: ImageSource, positions: Positions, size: int
) -> Iterator[tuple[list[int], Pixels]]:
    """Yield places in positions and their (B, h, w, 3) pixels, decoded one batch ahead.

    Images of different shapes are never in one batch.
    """
    starts = range(0, len(positions), size)
    with ThreadPoolExecutor(DECODERS) as pool:
        ahead: deque[tuple[int, list[Future[Pixels]]]] = deque()
        for start in [*starts, None]:
            if start is not None:
                chosen = positions[start : start + size].tolist()
                ahead.append((start, [pool.submit(_plain, source, one) for one in chosen]))
            if ahead and (start is None or len(ahead) > 1):
                first, futures = ahead.popleft()
                yield from _by_shape(first, [future.result() for future in futures])


def _by_shape(first: int, images: list[Pixels]) -> Iterator[tuple[list[int], Pixels]]:
    for shape in dict.fromkeys(image.shape for image in images):
        chosen = [index for index, image in enumerate(images) if image.shape == shape]
        yield [first + index for index in chosen], np.stack([images[index] for index in chosen])


def _plain(source: ImageSource, position: int) -> Pixels:
    pixels = source.resized(position)
    return pixels if source.transform.augment is None else centred(pixels, source.target.size)


def centred(pixels: Pixels, size: int) -> Pixels:
    """Cut the centre, size x size, from (h, w, 3); halves round as torchvision's center_crop."""
    top, left = (round((side - size) / 2) for side in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]
