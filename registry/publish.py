"""Publishing files and folders: under their name they are complete, or not there at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".unfinished-"
"""How the names of what is half there begin."""


def publish(final: Path, write: Callable[[Path], None]) -> None:
    """Have write fill an empty folder beside final, flush it, and rename it in one step.

    Where final is there by now, that one stays. OSErrors pass; nothing half-written is left, only
    a hidden folder if the machine stops.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=final.parent))
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
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=final.parent)
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


def remove(path: Path, *, lenient: bool = False) -> None:
    """Remove a file, a link or a folder, there or not, in one step: it is never there half.

    OSErrors pass; lenient, what cannot be removed of a folder is left behind unfinished.
    """
    hidden = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):  # its owner, or another, was faster
        path.rename(hidden)
        if hidden.is_dir() and not hidden.is_symlink():
            shutil.rmtree(hidden, ignore_errors=lenient)
        else:
            hidden.unlink()


def _flush(folder: Path) -> None:
    """Have the files on the disk before the folder gets its name, should the machine stop."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
