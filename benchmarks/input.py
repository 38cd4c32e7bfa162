"""Images per second, one thread: Pillow with torchvision transforms, this, the bare decode.

python benchmarks/input.py [FOLDER of JPEGs] [--network deit_ti]

Without a folder, pictures are drawn at 500 x 375 and 1200 x 900. All paths take turns on the same
images, round after round; of each the fastest round counts. Last, what a training step takes beside
what feeding it from the cache takes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from bench.images import ImageSource
from bench.model import create_backbone
from bench.pixels import Cache
from registry.backbones import BACKBONES
from registry.datasets.drawing import look, picture
from registry.datasets.split import labelled
from registry.transforms import AUGMENTATIONS, TRANSFORMS, Target

ROUNDS = 5
IMAGES = 48
SIZE = 224
BATCH = 16


def main() -> None:
    """Print a table for each folder of images."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--network", default="deit_ti")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        if arguments.folder:
            folders = {str(arguments.folder): arguments.folder}
        else:
            folders = {f"{w} x {h}": draw(temporary, w, h) for w, h in ((500, 375), (1200, 900))}
        for title, folder in folders.items():
            measure(title, folder, temporary, arguments.network)


def draw(root: Path, width: int, height: int) -> Path:
    """Write drawn JPEGs with the grain of photographs."""
    folder = root / f"{width}"
    folder.mkdir()
    for index in range(IMAGES):
        rng = np.random.default_rng(index)
        drawn = picture(look("bird", rng), rng, width=width, height=height)
        Image.fromarray(drawn.pixels).save(folder / f"{index}.jpg", quality=90)
    return folder


def measure(title: str, folder: Path, temporary: Path, network: str) -> None:
    """Print images per second of every path over one folder's images."""
    suffixes = (".jpg", ".jpeg")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)[:IMAGES]
    images = labelled(folder, [path.relative_to(folder).as_posix() for path in files], [])
    target = Target(SIZE, "bicubic")
    cache = Cache(temporary / f"cache-{title.replace('/', '_')}", 10**10)
    evaluated = ImageSource(images, TRANSFORMS["short_center"], target)
    stored = cache.store("training", len(files), {})
    trained = ImageSource(images, AUGMENTATIONS["short_random_flip"], target, store=stored)
    for position in range(len(files)):
        trained.resized(position)
    pillow = transforms.Compose(
        [
            transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(SIZE),
            transforms.PILToTensor(),
        ]
    )
    paths: dict[str, Callable[[int], object]] = {
        "Pillow + torchvision transforms": lambda i: pillow(Image.open(files[i]).convert("RGB")),
        "first pass": evaluated.resized,
        "bare decode (decode_jpeg)": lambda i: decode_jpeg(
            read_file(str(files[i])), ImageReadMode.RGB
        ),
        "later passes (cache, crop, flip)": lambda i: trained.augmented(i, (0, i)),
    }
    best = fastest(paths, len(files))
    peer = best["Pillow + torchvision transforms"]
    print(f"{title}: {len(files)} images to {SIZE} px, one thread")
    for name, seconds in best.items():
        print(f"  {name:<34}{len(files) / seconds:9.0f} images/s   {peer / seconds:6.2f} x Pillow")
    step = training_step(network)
    feed = best["later passes (cache, crop, flip)"] / len(files) * BATCH
    print(
        f"  a training step of {network}, {BATCH} images, one thread: {1000 * step:.0f} ms; "
        f"feeding it from the cache: {1000 * feed:.1f} ms ({100 * feed / step:.1f} %)"
    )


def fastest(paths: dict[str, Callable[[int], object]], images: int) -> dict[str, float]:
    """Seconds of each path's fastest round; paths take turns within a round."""
    best = dict.fromkeys(paths, float("inf"))
    for _ in range(ROUNDS):
        for name, path in paths.items():
            started = time.perf_counter()
            for index in range(images):
                path(index)
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def training_step(network: str) -> float:
    """Seconds of a forward and backward pass, the faster of three."""
    model = create_backbone(BACKBONES[network], SIZE)
    batch = torch.randn(BATCH, 3, SIZE, SIZE)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        model(batch).sum().backward()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    main()
