"""Inspection of one image file. Imports Pillow and numpy alone: it runs in many processes."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

CODE_BYTES = 16
FLAT = 4.0
"""Grey levels of standard deviation below which a picture has no features to compare."""
MISSING, EMPTY, UNREADABLE = "missing", "empty", "unreadable"


@dataclass(frozen=True)
class Inspection:
    """What was found in a file."""

    file: str
    """Absolute."""
    size: int
    modified: int
    """Nanoseconds; -1 where there is no file."""
    error: str = ""
    """missing, empty or unreadable: why; nothing where all is well."""
    sha256: str = ""
    width: int = 0
    height: int = 0
    code: str = ""
    """Perceptual code in hexadecimal; nothing for a picture without features."""
    path: str = ""
    """As the dataset's lists write it."""
    greyed: bool = False
    """Whether the lowest rows are the flat grey that decoders put where data is missing."""


def inspect(file: str) -> Inspection:
    """Read and decode a file completely."""
    try:
        facts = Path(file).stat()
        content = Path(file).read_bytes()
    except OSError as error:
        reason = MISSING if isinstance(error, FileNotFoundError) else f"{UNREADABLE}: {error}"
        return Inspection(file, -1, -1, reason)
    if not content:
        return Inspection(file, 0, facts.st_mtime_ns, EMPTY)
    known = Inspection(
        file, len(content), facts.st_mtime_ns, sha256=hashlib.sha256(content).hexdigest()
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as opened:
                if opened.format == "JPEG" and not has_end(content):
                    return _with(known, error=f"{UNREADABLE}: its end is missing")
                image = opened.convert("RGB")
    except Exception as error:  # noqa: BLE001 - decoders fail in many ways on files that are no images
        return _with(known, error=f"{UNREADABLE}: {why(error)}")
    return _with(
        known,
        width=image.width,
        height=image.height,
        code=perceptual_code(image),
        greyed=_greyed(image),
    )


def has_end(content: bytes) -> bool:
    """Whether a JPEG's last scan is followed by the mark of its end.

    A copy that broke off into reserved space ends in zeros, which Pillow takes for grey.
    """
    return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")


def why(error: Exception) -> str:
    """Say in a line why an image cannot be decoded."""
    if isinstance(error, UnidentifiedImageError):
        return "it is no image"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]


def _with(known: Inspection, **more: object) -> Inspection:
    return Inspection(**{**vars(known), **more})


def perceptual_code(image: Image.Image) -> str:
    """Hash what a picture looks like into 128 bits: like pictures differ in few of them.

    64 bits say which of the lowest frequencies of the 32 x 32 grey picture exceed their median
    (pHash), 64 which neighbours of a 9 x 8 one grow brighter (dHash). "" for a flat picture.
    """
    grey = image.convert("L")
    small = np.asarray(grey.resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float64)
    if small.std() < FLAT:
        return ""
    frequencies = (_COSINES @ small @ _COSINES.T)[:8, :8].reshape(-1)
    low = frequencies > np.median(frequencies[1:])
    steps = np.asarray(grey.resize((9, 8), Image.Resampling.LANCZOS), dtype=np.int64)
    rising = np.diff(steps, axis=1).reshape(-1) > 0
    return np.packbits(np.concatenate([low, rising])).tobytes().hex()


def _cosines(n: int) -> npt.NDArray[np.float64]:
    """The matrix of the discrete cosine transform, unnormalised."""
    k, x = np.mgrid[0:n, 0:n]
    cosines: npt.NDArray[np.float64] = np.cos(np.pi * k * (2 * x + 1) / (2 * n))
    return cosines


_COSINES = _cosines(32)


def _greyed(image: Image.Image) -> bool:
    rows = np.asarray(image)[-min(16, max(1, image.height // 4)) :]
    return bool((rows == 128).all())
