"""Publishing files and folders: they appear under their name complete, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def publish(final: Path, write: Callable[[Path], None]) -> None:
    """Have write fill an empty folder beside final, flush it, and rename it in one step.

    Where final is there by now, that one stays. OSErrors pass; nothing half-written is left, only
    a hidden folder if the machine stops.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=final.parent))
    try:
        write(unfinished)
        _flush(unfinished)
        os.chmod(unfinished, 0o755)
        unfinished.rename(final)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not final.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_file(final: Path, write: Callable[[Path], object]) -> None:
    """Have write fill a file beside final, flush it, and rename it in one step."""
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=final.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        write(unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o644)
        unfinished.replace(final)
    finally:
        unfinished.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Have the files on the disk before the folder gets its name, should the machine stop."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
