"""Sizes: how much a folder takes on the disk, without reading it, and how that is said."""

from __future__ import annotations

import os
from pathlib import Path

UNITS = ("kB", "MB", "GB", "TB")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where it is gone. Links are not followed."""
    try:
        if path.is_dir() and not path.is_symlink():
            with os.scandir(path) as entries:
                return sum(_size(entry) for entry in entries)
        return path.lstat().st_size
    except OSError:  # removed meanwhile
        return 0


def said(size: float) -> str:
    """Write a number of bytes for people: 12 B, 1.5 MB."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in UNITS:
        size /= 1000
        if size < 999.5 or unit == UNITS[-1]:
            break
    return f"{size:.3g} {unit}" if size < 999.5 else f"{size:,.0f} {unit}"


def _size(entry: os.DirEntry[str]) -> int:
    try:
        if entry.is_dir(follow_symlinks=False):
            return size_of(Path(entry.path))
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
