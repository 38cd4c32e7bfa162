"""One process at a time for what is being made in a folder."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.download.disk import storing
from registry.errors import WorkError


@contextmanager
def only_one(folder: Path, name: str) -> Iterator[None]:
    """Keep other processes from making folder/name; raises WorkError where one does already.

    The kernel lets go when the process ends, however it ends. The lock file stays: were it
    deleted, a third process could lock a new one while a second holds the deleted.
    """
    path = folder / f".{name}.lock"
    with storing(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        _take(file, path, folder / name)
        try:
            yield
        finally:  # not left to closing: a forked child may have the file open too
            fcntl.flock(file, fcntl.LOCK_UN)


def _take(file: IO[bytes], path: Path, wanted: Path) -> None:
    try:
        with storing(path):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except WorkError as error:
        if not isinstance(error.__cause__, BlockingIOError):
            raise
        file.seek(0)
        holder = file.read().decode(errors="replace").strip() or "another process"
        raise WorkError(
            f"{wanted} is being made by {holder}: wait for it or end it, then run again"
        ) from error
    with storing(path):
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
