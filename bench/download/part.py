"""What has come of a file: name.part, and beside it a note of where it came from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.download.disk import storing
from registry.datasets.remote import RemoteFile
from registry.publish import write_file


@dataclass(frozen=True)
class Part:
    """The beginning of a file that is to have its name when it is whole."""

    final: Path

    @property
    def path(self) -> Path:
        return self.final.with_name(f"{self.final.name}.part")

    @property
    def note(self) -> Path:
        return self.final.with_name(f"{self.final.name}.part.json")

    def size(self) -> int:
        """Bytes that have come."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def mark(self, url: str) -> str | None:
        """Return what url called the file that this is a part of."""
        try:
            noted = json.loads(self.note.read_text())
            mark = noted["mark"] if noted["url"] == url else None
        except (OSError, ValueError, LookupError, TypeError):
            return None  # without a note nothing is known: a part is then started over
        return mark if isinstance(mark, str) else None

    def remember(self, url: str, mark: str | None) -> None:
        """Note where the bytes come from."""
        text = json.dumps({"url": url, "mark": mark}) + "\n"
        with storing(self.note):
            write_file(self.note, lambda unfinished: unfinished.write_text(text))

    @contextmanager
    def appending(self) -> Iterator[IO[bytes]]:
        """Open the part to add to it; what was written stays, whatever ends this."""
        with storing(self.path), self.path.open("ab") as file:
            yield file

    def discard(self) -> None:
        """Forget what has come: the bytes first, a note alone misleads nobody."""
        with storing(self.path):
            self.path.unlink(missing_ok=True)
            self.note.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the file its name, in one step and after it is on the disk."""
        with storing(self.final):
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(self.path, self.final)
            self.note.unlink(missing_ok=True)


def difference(path: Path, file: RemoteFile) -> str | None:
    """Return how path is not the file expected, None where nothing known says so."""
    if not path.is_file():
        return "is not a file"
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"has {size} bytes, expected {file.size}"
    for name, expected in file.hashes.items():
        found = _hash(path, name)
        if found != expected:
            return f"has {name} {found}, expected {expected}"
    return None


def _hash(path: Path, name: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False))
    return digest.hexdigest()
