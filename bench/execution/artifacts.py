"""Artifacts: what stages leave on disk, each in a folder of its own that appears only complete."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.identity import Extraction, Features, Stage, key_of
from registry.errors import WorkError
from registry.publish import publish, write_file

FOLDERS = {
    "Model": "models",
    "Features": "features",
    "Fit": "fits",
    "Descriptors": "descriptors",
    "Scores": "scores",
}


class Artifacts:
    """The artifacts under one run folder.

    With again, those of earlier runs count for nothing and are replaced (--force).
    """

    def __init__(self, runs: Path, *, again: bool = False) -> None:
        self.root = runs / "artifacts"
        self.log = runs / "log" / f"{socket.gethostname()}-{os.getpid()}.log"
        self.again = again
        self.made: set[Path] = set()

    def path(self, stage: Stage) -> Path:
        """Folder of a stage's artifact, there or not."""
        return self.root / FOLDERS[type(stage).__name__] / key_of(stage)

    def has(self, stage: Stage) -> bool:
        """Whether the stage is done."""
        path = self.path(stage)
        return path.is_dir() and (not self.again or path in self.made)

    def has_features(self, extraction: Extraction, poolings: Iterable[str]) -> bool:
        """Whether an extraction has yielded all of these poolings."""
        return all(self.has(Features(extraction, pooling)) for pooling in poolings)

    def publish(self, stage: Stage, write: Callable[[Path], None]) -> Path:
        """Have write fill an empty folder, then give it its name in one step.

        What another process published meanwhile stays. Raises WorkError on a full or read-only
        disk, leaving nothing half-written.
        """
        final = self.path(stage)
        with writing(final):
            publish(final, write, replace=self.again)
        self.made.add(final)
        self._note(f"computed {type(stage).__name__} {key_of(stage)}")
        return final

    def look_again(self) -> None:
        """Have a network disk forget what it remembers of who is there: opening a folder does."""
        for name in FOLDERS.values():
            with suppress(OSError):
                os.close(os.open(self.root / name, os.O_RDONLY))

    def _note(self, line: str) -> None:
        """Log it, in a file that this process alone writes: who computed what, and when."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(OSError):  # what is logged is there: no reason to fail
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a") as file:
                file.write(f"{now} {line}\n")


def write_json(path: Path, content: Mapping[str, Any], *, option: str = "--runs") -> None:
    """Write a JSON file in one step: it is there complete or not at all.

    option is what names another folder, for the message where this one cannot be written.
    """
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    with writing(path, option):
        write_file(path, lambda unfinished: unfinished.write_text(text))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a damaged file is a WorkError."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise WorkError(f"cannot read {path} ({error}): delete it and run again") from error
    return content


@contextmanager
def writing(path: Path, option: str = "--runs") -> Iterator[None]:
    """Turn a failure of the disk into a WorkError that says what to do."""
    try:
        yield
    except OSError as error:
        # what numpy says of a short write has no number
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, None)
        cure = "free some space" if full else f"name a folder you may write with {option}"
        raise WorkError(
            f"cannot write {path}: {error.strerror or f'the disk is full ({error})'}; {cure}, "
            "then run again"
        ) from error
