"""Unpacking archives that nobody vouches for: into one folder, complete or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.download.disk import storing
from bench.download.members import Advance, Member, read_members, reading
from registry.errors import WorkError
from registry.publish import publish

CHUNK = 1 << 18

Place = Callable[[str], str | None]
"""A member's path -> its path under the target, None to leave it out."""


def unpack(
    archive: Path,
    target: Path,
    *,
    most_bytes: int,
    most_files: int,
    place: Place = lambda path: path,
    advance: Advance = lambda read: None,
) -> None:
    """Have target be a new folder of the archive's files, with plain modes and no links.

    Folders are made for the files in them: empty ones are left out, and place sees none. What
    place leaves out may be a link, but counts as one of most_files. advance is called with bytes
    of the archive, which add up to its size. Raises WorkError, leaving nothing.
    """
    if target.exists() or target.is_symlink():
        raise WorkError(f"{target} is there already: delete it to unpack {archive.name} anew")
    filled = Filled(archive, most_bytes, most_files)

    def write(root: Path) -> None:
        with closing(_counted(archive, advance, filled)) as members:
            for member in members:
                path = _path_of(member, place, filled)
                if path is not None:
                    _write(member, root / path, filled)
        _make_modes_plain(root)

    with storing(target):
        publish(target, write)


@dataclass
class Filled:
    """What has been unpacked of an archive, and what still may be."""

    archive: Path
    bytes_left: int
    files_left: int
    files: set[PurePosixPath] = field(default_factory=set)
    folders: set[PurePosixPath] = field(default_factory=lambda: {PurePosixPath()})

    def refuse(self, member: str, why: str) -> WorkError:
        """Make the error of a member."""
        return WorkError(
            f"{self.archive}: member {member!r} {why}, nothing was unpacked: if this is what its "
            "authors publish, please open an issue; if not, delete it and run again"
        )


def _counted(archive: Path, advance: Advance, filled: Filled) -> Generator[Member, None, None]:
    for member in read_members(archive, advance):
        filled.files_left -= 1
        if filled.files_left < 0:
            raise filled.refuse(member.name, "is one more than are expected")
        yield member


def _path_of(member: Member, place: Place, filled: Filled) -> PurePosixPath | None:
    """Return where under the target a member goes, None where it does not."""
    named = _inside(member.name, member, filled)
    placed = None if member.is_folder else place(str(named))
    if placed is None:
        return None
    if member.refused:
        raise filled.refuse(member.name, member.refused)
    path = _inside(placed, member, filled)
    if path in filled.files or path in filled.folders or not filled.files.isdisjoint(path.parents):
        raise filled.refuse(member.name, "would be written where another one is")
    filled.files.add(path)
    filled.folders.update(path.parents)
    return path


def _inside(text: str, member: Member, filled: Filled) -> PurePosixPath:
    """Return the path, less its single dots; raises where it could lead out of a folder."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or re.search(r"^[A-Za-z]:|[\\\0]", text):
        raise filled.refuse(member.name, "may lead out of the folder")
    return path


def _write(member: Member, path: Path, filled: Filled) -> None:
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            for data in _content(member, filled):
                out.write(data)


def _content(member: Member, filled: Filled) -> Iterator[bytes]:
    """Yield what the member has, counting what comes rather than what was declared."""
    come = 0
    with reading(filled.archive), member.open() as content:
        while data := content.read(CHUNK):
            come += len(data)
            filled.bytes_left -= len(data)
            if filled.bytes_left < 0:
                raise filled.refuse(member.name, "has more bytes than are expected")
            yield data
    if come != member.size:
        raise filled.refuse(member.name, f"has {come} bytes and is said to have {member.size}")


def _make_modes_plain(root: Path) -> None:
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
