"""Manifests: what an artifact consists of, checksums of its files, and who computed it how.

    RUNS/artifacts/<folder>/<key>/artifact.json
        {kind, key, files: {name: {bytes, crc32}}, computed}

Written last into the folder before it gets its name: an artifact without one is none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = "artifact.json"
BLOCK = 1 << 22


def seal(folder: Path, kind: str, key: str, computed: Mapping[str, Any] | None) -> None:
    """Write the manifest of the files in a folder."""
    files = {path.name: _facts(path) for path in sorted(folder.iterdir())}
    content = {"kind": kind, "key": key, "files": files, "computed": computed}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read an artifact's manifest; an OSError or ValueError where there is none to be read."""
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return content


def damage(folder: Path) -> str | None:
    """Read all of an artifact; say what is wrong with it, None where nothing is."""
    try:
        files = read_manifest(folder)["files"]
        for name, facts in files.items():
            if _facts(folder / name) != facts:
                return f"{name} is not what was written"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is gone"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"it cannot be read ({error})"
    return None


def _facts(path: Path) -> dict[str, Any]:
    crc, size = 0, 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return {"bytes": size, "crc32": f"{crc:08x}"}
