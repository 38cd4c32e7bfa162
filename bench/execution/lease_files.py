"""Lease files: put under a name that must be free, read, raised, taken away.

Network disks do hard links and renames in one step; locks, appending and exclusive creation they do
not all do. Where there are no hard links a lease is a folder with one file: renamed to a name that
has one already, it is refused as a link is.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from bench.execution.owner import Lease, Owner

INSIDE = "lease.json"
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
UNREADABLE = Lease(Owner("", "an unknown host", "", 0, None), "something unreadable", "")
"""Stands for a damaged lease: nobody raises its counter."""


def read(path: Path) -> Lease | None:
    """Read a lease; None where there is none."""
    for file in (path, path / INSIDE):
        try:
            content = json.loads(file.read_text())
            return Lease(**content | {"owner": Owner(**content["owner"])})
        except IsADirectoryError:
            continue
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError, KeyError):
            return UNREADABLE
    return None


def put(path: Path, lease: Lease) -> bool:
    """Give a lease its name, unless there is one of that name; tell whether it was done."""
    draft = _draft(path.parent, lease)
    try:
        return _named(draft, path) or read(path) == lease  # an answer lost on the way, and repeated
    finally:
        remove(draft)


def replace(path: Path, lease: Lease) -> None:
    """Put a lease in the place of the one that is there."""
    draft = _draft(path.parent, lease)
    try:
        draft.replace(path / INSIDE if path.is_dir() else path)
    finally:
        remove(draft)


def take_away(path: Path, owner: Owner, counter: int | None = None) -> bool:
    """Remove an owner's lease, at that count if one is given; tell whether it was there.

    Moved first, then looked at: what turns out to be another's is put back.
    """
    aside = path.with_name(f".aside-{secrets.token_hex(8)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    found = read(aside)
    if found is None or (found.owner == owner and counter in (None, found.counter)):
        remove(aside)
        return True
    _named(aside, path)
    remove(aside)
    return False


def remove(path: Path) -> None:
    """Delete a lease's file or folder, there or not."""
    with suppress(FileNotFoundError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def renewed(path: Path) -> float:
    """When a lease was written last, by the clock of the disk; the epoch where it is gone."""
    with suppress(OSError):
        return (path / INSIDE if path.is_dir() else path).stat().st_mtime
    return 0.0


def all_in(folder: Path) -> Iterator[tuple[Path, Lease]]:
    """Yield everything there that reads as a lease, drafts too."""
    with suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            lease = read(path)
            if lease is not None:
                yield path, lease


def _draft(folder: Path, lease: Lease) -> Path:
    draft = folder / f".draft-{secrets.token_hex(8)}"
    try:
        with draft.open("x") as file:
            json.dump(asdict(lease), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
    except OSError:  # a full disk takes the name, not the content: nobody could tell whose it is
        remove(draft)
        raise
    return draft


def _named(draft: Path, path: Path) -> bool:
    """Give a draft a second name; False where that is taken."""
    if draft.is_dir():
        return _moved(draft, path)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        folder = draft.with_name(f"{draft.name}-folder")
        folder.mkdir()
        draft.rename(folder / INSIDE)
        try:
            return _moved(folder, path)
        finally:
            remove(folder)
    return True


def _moved(folder: Path, path: Path) -> bool:
    try:
        folder.rename(path)
    except OSError as error:
        if error.errno not in TAKEN:
            raise
        return False
    return True
