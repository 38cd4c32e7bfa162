"""Thumbnails: images small enough to be embedded in a page, and whether two files are one image."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from results.seal import file_checksum

if TYPE_CHECKING:
    from PIL import Image

SIDE = 96
"""Pixels of the longer side."""
QUALITY = 70
ALIKE = 6.0
"""Mean grey levels between the thumbnails of two files, above which neither is decoded whole."""
Box = tuple[float, float, float, float]
"""left, top, right, bottom in native pixels."""
Copy = Literal["file", "pixels", ""]


class Located(NamedTuple):
    """Where an image is, and what of it is asked for, where its dataset says so."""

    path: Path
    box: Box | None = None


def thumbnail(path: Path, *, upright: bool = False, box: Box | None = None) -> bytes | None:
    """Shrink an image to a JPEG with a frame around its box; None for what cannot be decoded.

    upright applies EXIF orientation, as the network that saw the image did, or did not.
    """
    from PIL import Image

    try:
        with Image.open(path) as file:
            size = file.size
            file.draft("RGB", (2 * SIDE, 2 * SIDE))
            small = _upright(file) if upright else file
            small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            pixels = _colours(small)
    except Exception:  # noqa: BLE001 - decoders fail in many ways on files that are no images
        return None
    if box is not None:
        _frame(pixels, box, size)
    content = io.BytesIO()
    pixels.save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()


def same_image(a: Path, b: Path) -> Copy:
    """Say whether two files have the same bytes, or else the same size and RGB pixels."""
    from PIL import Image

    try:
        if a.stat().st_size == b.stat().st_size and file_checksum(a) == file_checksum(b):
            return "file"
        with Image.open(a) as one, Image.open(b) as other:
            if one.size != other.size:
                return ""
        return "pixels" if _look_alike(a, b) and _equal_pixels(a, b) else ""
    except Exception:  # noqa: BLE001 - see above: what is no image has no copy
        return ""


def _look_alike(a: Path, b: Path) -> bool:
    """Whether it is worth decoding both: small, they hardly differ."""
    import numpy as np
    from PIL import Image

    shrunk = []
    for path in (a, b):
        with Image.open(path) as file:
            file.draft("RGB", (2 * SIDE, 2 * SIDE))
            grey = _colours(file).resize((SIDE, SIDE)).convert("L")
            shrunk.append(np.asarray(grey, np.float64))
    return bool(abs(shrunk[0] - shrunk[1]).mean() < ALIKE)


def _equal_pixels(a: Path, b: Path) -> bool:
    from PIL import Image

    with Image.open(a) as one, Image.open(b) as other:
        return _colours(one).tobytes() == _colours(other).tobytes()


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _colours(image: Image.Image) -> Image.Image:
    """As RGB; 16-bit grey is scaled, where convert would clip it to white."""
    from PIL import Image

    if image.mode.startswith("I"):
        return image.point(lambda level: level / 257).convert("L").convert("RGB")
    if "transparency" in image.info:  # what is transparent keeps its colour, without a warning
        image = image.convert("RGBA")
    assert isinstance(image, Image.Image)
    return image.convert("RGB")


def _frame(pixels: Image.Image, box: Box, size: tuple[int, int]) -> None:
    """Draw a box in two tones, so that it is seen on dark and on light."""
    from PIL import ImageDraw

    across, down = pixels.width / size[0], pixels.height / size[1]
    left, right = (min(max(0.0, edge * across), pixels.width - 1) for edge in (box[0], box[2]))
    top, bottom = (min(max(0.0, edge * down), pixels.height - 1) for edge in (box[1], box[3]))
    if left >= right or top >= bottom:
        return
    draw = ImageDraw.Draw(pixels)
    draw.rectangle((left, top, right, bottom), outline="black", width=3)
    draw.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline="white", width=1)
