"""Pixels: decoded and resized images kept on disk, so that each is decoded once per size.

    RUNS/cache/<key>/<writer>.bin     uint8 pixels, one image after another
                     <writer>.idx     a record for each: position, offset, height, width, crc32
                     about.json       what the key stands for

Each process appends to files of its own and reads all: nothing is locked, nothing is torn. A record
follows its pixels; one whose pixels are missing or damaged counts for nothing, and the image is
decoded again.
"""

from __future__ import annotations

import json
import shutil
import threading
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from registry.transforms import Pixels

RECORD = np.dtype(
    [
        ("position", "<i8"),
        ("offset", "<i8"),
        ("height", "<u4"),
        ("width", "<u4"),
        ("crc", "<u4"),
        ("spare", "<u4"),
    ]
)
RESERVE = 10**9
"""Bytes that stay free on the disk."""
LOOK_EVERY = 64 * 2**20
"""Bytes written between two looks at the free space."""


@dataclass
class Cache:
    """All stores of a run folder, and the room that they may take together."""

    root: Path
    limit: int
    """Bytes; 0 keeps nothing."""
    say: Callable[[str], None] = lambda text: None
    """Told once when it is full."""
    used: int = -1
    full: bool = False
    looked: int = -LOOK_EVERY
    """What was used when the disk was looked at last."""
    under_way: int = 0
    """Bytes granted that are not on the disk yet."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def store(self, key: str, images: int, about: Mapping[str, object]) -> Store | None:
        """Open the store of a key, made if it is not there; None where nothing is to be kept."""
        if not self.limit:
            return None
        folder = self.root / key
        if self.used < 0:
            self.used = self._kept()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
        except OSError as error:
            self.stop(f"cannot be written ({error.strerror or error})")
        return Store(folder, images, self)

    def room_for(self, size: int) -> bool:
        """Whether so many more bytes may be kept; takes them into account until wrote()."""
        with self.lock:
            if self.full:
                return False
            if self.used + size > self.limit:
                self.stop(f"has reached its limit of {self.limit / 1e9:g} GB (--cache-gb)")
                return False
            if self.used - self.looked >= LOOK_EVERY:
                self.used = self.looked = self._kept() + self.under_way  # others keep images too
                if shutil.disk_usage(self.root).free < RESERVE + LOOK_EVERY:
                    self.stop("has left less than a gigabyte of the disk free")
                    return False
            self.used += size
            self.under_way += size
            return True

    def wrote(self, size: int) -> None:
        """Note that bytes for which there was room are on the disk, or will never be."""
        with self.lock:
            self.under_way -= size

    def _kept(self) -> int:
        """Bytes of all stores."""
        total = 0
        for file in self.root.rglob("*.bin"):
            try:
                total += file.stat().st_size
            except OSError:  # removed meanwhile
                continue
        return total

    def stop(self, why: str) -> None:
        """Keep nothing more, and say so once."""
        if not self.full:
            self.full = True
            self.say(
                f"the cache of decoded images {self.root} {why}: images that are not in it are "
                "decoded again each time; results are the same. Folders in it can be deleted"
            )


class Store:
    """The images of one dataset at one size; safe to use from several threads."""

    def __init__(self, folder: Path, images: int, cache: Cache) -> None:
        self.folder = folder
        self.cache = cache
        self.lock = threading.Lock()
        self.records = np.zeros(images, dtype=RECORD)
        self.file_of = np.full(images, -1, dtype=np.int32)
        self.files: list[Path] = []
        self.maps: dict[int, np.memmap] = {}
        self.mine: int | None = None
        for index in sorted(folder.glob("*.idx"), key=_written):  # the latest of an image counts
            self._add(index)

    def get(self, position: int) -> Pixels | None:
        """Return a kept image, (h, w, 3) and not to be written to; None where it is not intact."""
        number = int(self.file_of[position])
        if number < 0:
            return None
        record = self.records[position]
        shape = (int(record["height"]), int(record["width"]), 3)
        start = int(record["offset"])
        size = shape[0] * shape[1] * 3
        try:
            flat = self._mapped(number, start + size)[start : start + size]
        except (OSError, ValueError):  # removed or cut off meanwhile
            return None
        if len(flat) != size or zlib.crc32(flat.data) != int(record["crc"]):
            return None
        return np.asarray(flat).reshape(shape)

    def put(self, position: int, pixels: Pixels) -> None:
        """Keep an image, if there is room for it; pixels are (h, w, 3), contiguous."""
        record = np.zeros(1, dtype=RECORD)
        record["position"], record["crc"] = position, zlib.crc32(pixels.data)
        record["height"], record["width"] = pixels.shape[:2]
        try:
            if self.cache.room_for(pixels.nbytes):
                try:
                    with self.lock:
                        self._append(position, pixels, record)
                finally:
                    self.cache.wrote(pixels.nbytes)
        except OSError as error:
            self.cache.stop(f"cannot be written ({error.strerror or error})")

    def _append(self, position: int, pixels: Pixels, record: np.ndarray) -> None:
        if self.mine is None:
            self.mine = len(self.files)
            self.files.append(self.folder / f"{uuid.uuid4().hex}.bin")
        path = self.files[self.mine]
        record["offset"] = _appended(path, pixels.data.cast("B"))
        _appended(path.with_suffix(".idx"), record.data.cast("B"))
        self.records[position] = record[0]
        self.file_of[position] = self.mine

    def _add(self, index: Path) -> None:
        """Take over what another process, or an earlier one, has kept."""
        path = index.with_suffix(".bin")
        try:
            size = path.stat().st_size
            content = index.read_bytes()
        except OSError:
            return
        whole = len(content) // RECORD.itemsize * RECORD.itemsize
        records = np.frombuffer(content[:whole], dtype=RECORD)
        sizes = 3.0 * records["height"] * records["width"]  # as floats: nothing overflows
        inside = (records["position"] >= 0) & (records["position"] < len(self.records))
        there = (records["offset"] >= 0) & (sizes > 0) & (records["offset"] + sizes <= size)
        good = records[inside & there]
        self.records[good["position"]] = good
        self.file_of[good["position"]] = len(self.files)
        self.files.append(path)

    def _mapped(self, number: int, end: int) -> np.memmap:
        """Map a file as long as it is needed; this process's own one grows."""
        with self.lock:
            found = self.maps.get(number)
            if found is None or len(found) < end:
                found = np.memmap(self.files[number], dtype=np.uint8, mode="r")
                self.maps[number] = found
            return found


def _appended(path: Path, data: memoryview) -> int:
    """Append all of it and return where it begins, or nothing and raise OSError."""
    with path.open("ab", buffering=0) as file:
        start = file.tell()
        if file.write(data) != len(data):  # a disk that is full takes a part
            file.truncate(start)
            raise OSError(None, "the disk is full")
    return start


def _written(index: Path) -> int:
    try:
        return index.stat().st_mtime_ns
    except OSError:  # removed meanwhile
        return 0
