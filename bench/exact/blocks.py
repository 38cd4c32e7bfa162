"""Block sizes: as large as the memory allows, as small as the caches like."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

SIDE = {"cpu": 1536, "cuda": 8192}
"""Rows of a block: a tile of float32 products fits a processor's caches, or fills a GPU."""
WIDEST = {"cpu": 32768, "cuda": 1 << 18}
"""Most columns where there are few rows."""
BYTES_PER_PRODUCT = 4 + 1 + 8 + 3 * 8
"""Float32, flag, float64, and what searching takes."""
SHARE_OF_MEMORY = 8
SMALLEST = 64


@dataclass(frozen=True)
class Blocks:
    """Rows and columns of a tile."""

    rows: int
    columns: int


def choose_blocks(device: torch.device, queries: int, dims: int) -> Blocks:
    """Fit a tile, and its two blocks in float64, into an eighth of the free memory."""
    room = free_bytes(device) // SHARE_OF_MEMORY
    kind = "cpu" if device.type == "cpu" else "cuda"
    side = SIDE[kind]
    while side > SMALLEST and side * (side * BYTES_PER_PRODUCT + 2 * 12 * dims) > room:
        side //= 2
    rows = max(1, min(queries, side))
    columns = side * side // rows
    while columns > side and columns * (rows * BYTES_PER_PRODUCT + 12 * dims) > room:
        columns //= 2
    return Blocks(rows, max(side, min(columns, WIDEST[kind])))


def pieces(rows: Tensor, size: int) -> list[Tensor]:
    """Cut rows into consecutive pieces of at most so many."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def free_bytes(device: torch.device) -> int:
    """Memory that can be had without pushing anything out."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo") as file:  # noqa: PTH123 - no path of ours
            facts = dict(line.split(":") for line in file)
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) // 4
