"""How much faster a ConvNet runs folded and channels_last than as timm builds it.

Both are timed in turns within one run, so that a noisy machine slows both; the ratio counts.
python benchmarks/inference.py [BACKBONE [RESOLUTION]]
"""

import copy
import statistics
import sys
import time

import torch

from bench.identity import Model
from bench.inference import for_inference
from bench.model import Embedder, build_embedder

ROUNDS = 15
BATCH = 8


def seconds(network: Embedder, images: torch.Tensor) -> float:
    """Time one pass."""
    started = time.perf_counter()
    network(images)
    return time.perf_counter() - started


def main(backbone: str = "resnet50", resolution: str = "224") -> None:
    """Print the median of both and their ratio."""
    size = int(resolution)
    plain = build_embedder(Model(backbone, "scratch", size, 0, None), ["avg"]).eval()
    fast = for_inference(copy.deepcopy(plain), torch.device("cpu"))
    images = torch.randint(0, 256, (BATCH, 3, size, size), dtype=torch.uint8)
    times: dict[str, list[float]] = {"plain": [], "fast": []}
    with torch.inference_mode():
        seconds(plain, images), seconds(fast, images)  # warm up
        for _ in range(ROUNDS):
            times["plain"].append(seconds(plain, images))
            times["fast"].append(seconds(fast, images))
        difference = float((plain(images)["avg"] - fast(images)["avg"]).abs().max())
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(
        f"{backbone} at {size}, batch {BATCH}, {torch.get_num_threads()} threads: "
        f"plain {1000 * medians['plain']:.0f} ms, folded and channels_last "
        f"{1000 * medians['fast']:.0f} ms, ratio {medians['plain'] / medians['fast']:.2f}; "
        f"largest difference {difference:.1e}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
