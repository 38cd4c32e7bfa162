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

from bench.execution.manifest import MANIFEST, damage, seal
from bench.identity import Extraction, Features, Model, Stage, key_of
from registry.errors import WorkError
from registry.publish import publish, remove, write_file

FOLDERS = {
    "Model": "models",
    "Features": "features",
    "Fit": "fits",
    "Descriptors": "descriptors",
    "Scores": "scores",
}
CHECKPOINTS = "checkpoints"


class FolderGoneError(WorkError):
    """The run folder was removed under the process: no cell can go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} was removed while this run was at work there: run again, to start anew or "
            "go on with what is left, or name another folder with --runs"
        )


class DamagedError(WorkError):
    """An artifact that is not what was written, or is gone: it has to be computed again."""

    def __init__(self, stage: Stage, why: str) -> None:
        super().__init__(why)
        self.stage = stage


class Artifacts:
    """The artifacts under one run folder."""

    def __init__(self, runs: Path) -> None:
        self.root = runs / "artifacts"
        self.log = runs / "log" / f"{socket.gethostname()}-{os.getpid()}.log"
        self.sound: set[Path] = set()
        """Folders that this process has written or read through."""

    def path(self, stage: Stage) -> Path:
        """Folder of a stage's artifact, there or not."""
        return self.root / FOLDERS[type(stage).__name__] / key_of(stage)

    def has(self, stage: Stage) -> bool:
        """Whether the stage is done."""
        return (self.path(stage) / MANIFEST).is_file()

    def has_features(self, extraction: Extraction, poolings: Iterable[str]) -> bool:
        """Whether an extraction has yielded all of these poolings."""
        return all(self.has(Features(extraction, pooling)) for pooling in poolings)

    def open(self, stage: Stage) -> Path:
        """Folder of a stage's artifact, whose files are what was written.

        They are read through once per process. Raises DamagedError.
        """
        path = self.path(stage)
        if path not in self.sound or not self.has(stage):
            why = damage(path)
            if why:
                raise DamagedError(stage, why)
            self.sound.add(path)
        return path

    def publish(
        self,
        stage: Stage,
        write: Callable[[Path], None],
        computed: Callable[[], Mapping[str, Any] | None] = lambda: None,
    ) -> Path:
        """Have write fill an empty folder, seal it, then give it its name in one step.

        computed says who did it and how, once it is written. What another process published
        meanwhile stays. Raises WorkError on a full or read-only disk, leaving nothing half-written.
        """
        final, kind = self.path(stage), type(stage).__name__

        def sealed(folder: Path) -> None:
            write(folder)
            seal(folder, kind, key_of(stage), computed())

        if not self.root.is_dir():
            raise FolderGoneError(self.root)
        if not self.has(stage):
            self.discard(stage)  # what an earlier version left, unsealed, would stay
        with writing(final):
            publish(final, sealed)
        self.sound.add(final)
        self._note(f"computed {kind} {key_of(stage)}")
        return final

    def prepare(self) -> None:
        """Make the folders of all artifacts and checkpoints."""
        for folder in (self.root, self.root.with_name(CHECKPOINTS)):
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)

    def discard(self, stage: Stage) -> None:
        """Remove an artifact, there or not, damaged or not."""
        path = self.path(stage)
        self.sound.discard(path)
        remove_folder(path)

    def discard_damaged(self, stage: Stage) -> None:
        """Remove an artifact unless it is what was written: another may have mended it."""
        if damage(self.path(stage)):
            self.discard(stage)

    def checkpoint(self, model: Model) -> Path:
        """Folder where a training leaves its state while it is under way."""
        return self.root.with_name(CHECKPOINTS) / key_of(model)

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


def remove_folder(path: Path) -> None:
    """Remove an artifact's folder, there or not; what is left behind bench clean removes."""
    with writing(path):
        remove(path, lenient=True)


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
