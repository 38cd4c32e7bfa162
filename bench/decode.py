"""From an image file to RGB pixels: torchvision for JPEG, Pillow for everything else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode
from torchvision.transforms.v2 import functional

from bench.doctor.inspection import why
from registry.datasets.split import Box
from registry.errors import WorkError

JPEGS = ("JPEG", "MPO")
HAS_DECODER = hasattr(torch.ops.image, "decode_jpeg")
"""torchvision.io.decode_jpeg is to go; its operator does not warn, Pillow's pixels are the same."""


class BadImageError(WorkError):
    """An image that cannot be decoded."""


class MissingImageError(BadImageError):
    """An image that lists name and that is not there."""


def read_image(path: Path, *, upright: bool) -> Tensor:
    """Decode a file: (3, H, W) uint8. Pixels are Pillow's convert("RGB"), bit for bit.

    upright applies EXIF orientation. 16-bit grey is scaled to 8 bits, where convert would
    clip it to white. Raises BadImageError naming the file.
    """
    try:
        data = path.read_bytes()
        if not data:
            raise ValueError("it is empty")
        with Image.open(io.BytesIO(data)) as file:  # reads the header only
            if file.format in JPEGS and file.mode in ("RGB", "L") and HAS_DECODER:
                return _by_torchvision(data, upright=upright)
            return _by_pillow(file, upright=upright)
    except FileNotFoundError:
        raise MissingImageError(f"there is no image {path}: is the dataset complete?") from None
    except Exception as error:  # decoders fail in many ways on files that are no images
        raise BadImageError(
            f"cannot read image {path} ({why(error)}): fetch it again, or leave bad images "
            "out and have them counted with --skip-bad-images"
        ) from error


def _by_torchvision(data: bytes, *, upright: bool) -> Tensor:
    buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    pixels: Tensor = torch.ops.image.decode_jpeg(buffer, ImageReadMode.RGB.value, upright)
    return pixels


def _by_pillow(file: Image.Image, *, upright: bool) -> Tensor:
    image = ImageOps.exif_transpose(file) if upright else file
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    if "transparency" in image.info:  # what is transparent keeps its colour, without a warning
        image = image.convert("RGBA")
    pixels: Tensor = functional.pil_to_tensor(image.convert("RGB"))
    return pixels


def cut(image: Tensor, box: Box, path: Path) -> Tensor:
    """Crop to a box in native pixels, as Pillow does: edges rounded, black beyond the image.

    Raises BadImageError for a box that lies outside.
    """
    left, top, right, bottom = (round(edge) for edge in box)
    height, width = image.shape[-2:]
    if not (left < right and top < bottom and left < width and top < height):
        raise BadImageError(
            f"{path} is {width} x {height}, its query box {left}, {top}, {right}, {bottom} lies "
            "outside: these are not the images that the lists were made for"
        )
    cropped: Tensor = functional.crop(image, top, left, bottom - top, right - left)
    return cropped
