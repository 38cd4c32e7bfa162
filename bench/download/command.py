"""bench data get: fetch a dataset's files, unpack them, put them where the datasets look."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from bench.download.disk import check_space, storing
from bench.download.fetch import PATIENT, OnBytes, Patience, fetch
from bench.download.lock import only_one
from bench.download.unpack import unpack
from registry.datasets.remote import RemoteFile
from registry.datasets.sources import FETCHED, Part, Source
from registry.errors import WorkError
from registry.publish import publish

UNPACKED = 1.1
"""Bytes of unpacked JPEGs over those of their archive."""

Bar = Callable[[str], AbstractContextManager[OnBytes]]
"""Progress in bytes of a named piece of work."""


def get(
    source: Source, data: Path, *, mirror: str | None, bar: Bar, patience: Patience = PATIENT
) -> Path:
    """Bring a dataset into the data folder; goes on where an earlier call stopped.

    mirror is an address whose files are tried before the published ones. Raises WorkError; nothing
    appears in the dataset's folder unless all of it does.
    """
    final = data / source.folder
    if final.exists():
        raise WorkError(
            f"{final} is there already: bench data verify {source.name} looks whether it is whole; "
            "move it away to fetch it anew"
        )
    downloads = data / "downloads" / source.name
    _ask_a_person(source, downloads, final, mirror)
    with storing(downloads):
        downloads.mkdir(parents=True, exist_ok=True)
    with only_one(downloads, "dataset"):
        _check_space(source, downloads)
        for part in source.parts:
            with bar(f"fetching {part.file.name}") as on_bytes:
                fetch(_mirrored(part, mirror), downloads, on_bytes=on_bytes, patience=patience)
        for part in source.parts:
            _unpack(part, downloads, bar)
        with storing(final):
            publish(final, lambda root: _assemble(source, downloads, root))
        for part in source.parts:
            shutil.rmtree(_unpacked(part, downloads), ignore_errors=True)
    return final


def _ask_a_person(source: Source, downloads: Path, final: Path, mirror: str | None) -> None:
    """Where something cannot be fetched, say exactly what and where to put it."""
    if not source.by_hand or (mirror and source.parts):
        return
    places = {"downloads": downloads, "folder": final}
    lines = [f"{source.name} cannot be fetched for you. {source.by_hand.format(**places)}."]
    missing = [part.file for part in source.parts if not (downloads / part.file.name).exists()]
    if source.parts and not missing:
        return
    lines += [f"  put {file.name} at {downloads / file.name}" for file in missing]
    lines += [f"then run bench data get {source.name} again: it checks and unpacks them"] * bool(
        source.parts
    )
    raise WorkError("\n".join(lines))


def _check_space(source: Source, downloads: Path) -> None:
    """Look whether everything will fit, before the first byte."""
    needed = 0.0
    for part in source.parts:
        size = part.file.size or 0
        there = (downloads / part.file.name).exists()
        needed += (0 if there else size) + (UNPACKED * size if part.place else size)
    check_space(downloads, int(max(needed, source.about_bytes)))


def _mirrored(part: Part, mirror: str | None) -> RemoteFile:
    if mirror is None:
        return part.file
    url = f"{mirror.rstrip('/')}/{quote(part.file.name)}"
    return replace(part.file, urls=(url, *part.file.urls))


def _unpacked(part: Part, downloads: Path) -> Path:
    return downloads / f"{part.file.name}.unpacked"


def _unpack(part: Part, downloads: Path, bar: Bar) -> None:
    """Unpack an archive beside itself, unless an earlier call did."""
    target = _unpacked(part, downloads)
    if part.place is None or target.is_dir():
        return
    archive = downloads / part.file.name
    size, done = archive.stat().st_size, 0
    with bar(f"unpacking {part.file.name}") as on_bytes:

        def advance(read: int) -> None:
            nonlocal done
            done += read
            on_bytes(done, size)

        unpack(
            archive,
            target,
            most_bytes=part.most_bytes,
            most_files=part.most_files,
            place=part.place,
            advance=advance,
        )


def _assemble(source: Source, downloads: Path, root: Path) -> None:
    """Link what was unpacked into the dataset's folder, and copy the lists beside it."""
    (root / FETCHED).write_text(json.dumps(_provenance(source, downloads), indent=1) + "\n")
    for part in source.parts:
        if part.place is None:
            target = root / part.at
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(downloads / part.file.name, target)
            continue
        unpacked = _unpacked(part, downloads)
        for file in sorted(path for path in unpacked.rglob("*") if path.is_file()):
            target = root / file.relative_to(unpacked)
            if target.exists():
                raise WorkError(
                    f"{file.relative_to(unpacked)} is in two archives of {source.name}: "
                    f"are the files in {downloads} the right ones?"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(file, target)


def _provenance(source: Source, downloads: Path) -> dict[str, object]:
    hashes = {}
    for part in source.parts:
        with (downloads / part.file.name).open("rb") as file:
            hashes[part.file.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return {"dataset": source.name, "version": source.version, "sha256": hashes}


def _link(file: Path, target: Path) -> None:
    """Give a file a second name, so that stopping here loses nothing; else copy it."""
    try:
        target.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, target)
