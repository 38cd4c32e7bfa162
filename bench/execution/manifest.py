"""Manifest: what an artifact consists of, checksums of its files, and who computed it how.

    RUNS/artifacts/<folder>/<key>/artifact.json
        {kind, key, files: {name: {bytes, crc32}}, computed}

Written last into the folder before it gets its name: an artifact without one is none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from registry.errors import WorkError

MANIFEST = "artifact.json"
BLOCK = 1 << 22


def seal(folder: Path, kind: str, key: str, computed: Mapping[str, Any] | None) -> None:
    """Write the manifest of the files in a folder."""
    files = {
        path.name: {"bytes": path.stat().st_size, "crc32": checksum(path)}
        for path in sorted(folder.iterdir())
    }
    content = {"kind": kind, "key": key, "files": files, "computed": computed}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_manifest(folder: Path) -> Mapping[str, Any] | None:
    """Read an artifact's manifest; None where there is none, or none that can be read."""
    try:
        content = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    files = content.get("files") if isinstance(content, dict) else None
    sound = isinstance(files, dict) and all(
        isinstance(file, dict) and {"bytes", "crc32"} <= file.keys() for file in files.values()
    )
    return content if sound else None


def damage(folder: Path) -> str | None:
    """Say what is wrong with an artifact's files, by reading them all; None: nothing is."""
    manifest = read_manifest(folder)
    if manifest is None:
        return f"{folder / MANIFEST} is missing or damaged"
    for name, wanted in manifest["files"].items():
        file = folder / name
        if not file.is_file():
            return f"{file} is missing"
        if file.stat().st_size != wanted["bytes"]:
            return f"{file} has {file.stat().st_size} bytes, not {wanted['bytes']}"
        try:
            if checksum(file) != wanted["crc32"]:
                return f"{file} has changed: its checksum is wrong"
        except WorkError as error:  # of the disk
            return str(error)
    return None


def checksum(file: Path) -> str:
    """CRC-32 of a file in eight hexadecimal digits."""
    crc = 0
    for block in blocks(file):
        crc = zlib.crc32(block, crc)
    return f"{crc:08x}"


def blocks(file: Path) -> Iterator[bytes]:
    """Yield a file's bytes; raises WorkError where they cannot be read."""
    try:
        with file.open("rb") as source:
            while block := source.read(BLOCK):
                yield block
    except OSError as error:
        raise WorkError(f"cannot read {file}: {error.strerror or error}") from error
