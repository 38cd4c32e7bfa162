"""One bare forward pass over folders of images, as anyone would write it: the ablation's measure.

python benchmarks/engine_bare.py MODEL WORKERS FOLDER...

A plain timm model in float32, Pillow and torchvision's transforms, batches of 64 from a DataLoader
with so many worker processes (0: read and compute in turns). Prints JSON: the seconds of the whole
pass and of the model alone in it, without imports and without building the model.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

BATCH = 64
SIZE, SHORT_SIDE = 224, 256


@dataclass
class Pictures(Dataset[torch.Tensor]):
    """Files, resized and normalised."""

    files: list[Path]
    transform: transforms.Compose

    def __len__(self) -> int:
        """Count them."""
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Read one."""
        pixels: torch.Tensor = self.transform(Image.open(self.files[index]).convert("RGB"))
        return pixels


def main(name: str, workers: str, *folders: str) -> None:
    """Time one pass."""
    model = timm.create_model(name, num_classes=0).eval()
    transform = transforms.Compose(
        [
            transforms.Resize(SHORT_SIDE, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(SIZE),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    files = sorted(path for folder in folders for path in Path(folder).rglob("*.jpg"))
    loader = DataLoader(Pictures(files, transform), BATCH, num_workers=int(workers))
    found, alone, started = [], 0.0, time.perf_counter()
    with torch.inference_mode():
        for batch in loader:
            before = time.perf_counter()
            found.append(model(batch))
            alone += time.perf_counter() - before
    seconds = time.perf_counter() - started
    assert len(torch.cat(found)) == len(files)
    print(json.dumps({"seconds": seconds, "model": alone}))


if __name__ == "__main__":
    main(*sys.argv[1:])
