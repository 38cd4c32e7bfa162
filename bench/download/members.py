"""What archives contain, in one form for all kinds; the kind is told by content, not by name."""

from __future__ import annotations

import bz2
import copy
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from registry.errors import WorkError

DECOMPRESS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
ZIP = (b"PK\x03\x04", b"PK\x05\x06")

LONGEST_HEADER = 1 << 16
"""Bytes of a tar's extended header: it is read into memory, and needs to hold one path."""

DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    ValueError,
)
"""What the standard library raises for archives that are not what they should be."""

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    is_folder: bool
    refused: str | None
    """Why it is nothing to write."""
    size: int
    """Bytes, as the archive declares."""
    open: Callable[[], IO[bytes]]
    """To be called before the next member is asked for."""


@contextmanager
def reading(archive: Path) -> Iterator[None]:
    """Turn what is wrong with an archive into a WorkError that says what to do."""
    try:
        yield
    except DAMAGED as error:
        raise WorkError(
            f"cannot read {archive} ({error}), nothing was unpacked: "
            "delete it and run again to fetch it anew"
        ) from error


def read_members(archive: Path, advance: Advance) -> Iterator[Member]:
    """Yield the members in the archive's order; advance is told the archive's bytes behind each."""
    with reading(archive), archive.open("rb") as raw:
        head = raw.read(tarfile.BLOCKSIZE)
        raw.seek(0)
        if head.startswith(ZIP):
            yield from _zip_members(raw, advance)
            return
        kind = next((magic for magic in DECOMPRESS if head.startswith(magic)), None)
        if kind is None and not _is_tar_header(head):
            raise WorkError(
                f"{archive} is neither tar nor zip, it begins with {head[:24]!r}: "
                "delete it and fetch it anew"
            )
        with closing(DECOMPRESS[kind](raw)) if kind else nullcontext(raw) as plain:
            yield from _tar_members(raw, plain, advance)


def _is_tar_header(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _tar_members(raw: IO[bytes], plain: IO[bytes], advance: Advance) -> Iterator[Member]:
    behind = 0
    with tarfile.open(fileobj=plain, mode="r|", tarinfo=StrictHeader) as tar:
        for info in tar:
            content = partial(_tar_content, tar, info)
            yield Member(info.name, info.isdir(), _tar_refusal(info), info.size, content)
            advance(raw.tell() - behind)
            behind = raw.tell()
    while plain.read(1 << 18):  # on to the checksum, which stands at the end
        pass
    advance(raw.tell() - behind)


class StrictHeader(tarfile.TarInfo):
    """Raises for what tarfile takes for the end: a header that is broken or not there."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> StrictHeader:
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.count(0) == tarfile.BLOCKSIZE:  # the true end
                raise
            raise tarfile.ReadError(str(error)) from error
        if not (info.isfile() or info.isdir()) and info.size > LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


def _tar_refusal(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return f"is a link to {info.linkname!r}"
    if not (info.isfile() or info.isdir()):
        return "is neither a file nor a folder"
    try:
        tarfile.data_filter(info, "anywhere")  # Python's notion of harmless, besides ours
    except tarfile.FilterError as error:
        return f"is refused by Python ({error})"
    return None


def _tar_content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(info)
    assert file is not None  # only links and devices have no content
    return file


def _zip_members(raw: IO[bytes], advance: Advance) -> Iterator[Member]:
    behind = 0
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            whole = copy.copy(info)
            whole.file_size = 1 << 62  # at the declared size zipfile would stop, and not tell
            content = partial(archive.open, whole)
            name, is_folder = info.filename, info.filename.endswith("/")
            yield Member(name, is_folder, _zip_refusal(info), info.file_size, content)
            advance(info.compress_size)
            behind += info.compress_size
    advance(os.fstat(raw.fileno()).st_size - behind)


def _zip_refusal(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return "is encrypted" if info.flag_bits & 1 else None
