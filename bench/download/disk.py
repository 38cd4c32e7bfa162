"""The disk that downloads go to: whether they fit, and what to say when it fails."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.errors import WorkError


def check_space(folder: Path, needed: int) -> None:
    """Raise WorkError where needed bytes do not fit. The folder need not be there yet."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise WorkError(
            f"{folder} has {free / 1e9:.2f} GB free, {needed / 1e9:.2f} GB are needed: "
            "free some space or name another folder, then run again"
        )


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn a failure of the disk into a WorkError that says what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "free some space" if full else "name a folder you may write"
        raise WorkError(
            f"cannot write {path}: {error.strerror or error}; {cure}, then run again"
        ) from error
