"""Scanning: every image of a dataset inspected once, in several processes, resumable.

What is known of a file is kept until the scan is complete, a line of JSON each, and holds as long
as the file's size and time do. A new scan reads everything again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from pathlib import Path

from bench.doctor.inspection import Inspection, inspect
from bench.processes import worker_processes
from registry.datasets.split import Images
from registry.errors import WorkError

CHUNK = 32
"""Files that a process is handed at a time."""


def scan(
    images: Images, state: Path, *, workers: int, advance: Callable[[int], None]
) -> list[Inspection]:
    """Inspect images, in their order. Raises WorkError where the state cannot be written."""
    files = [str((images.root / path).absolute()) for path in images.paths]
    known = _remembered(state)
    fresh = {file for file in files if _unchanged(file, known.get(file))}
    advance(len(fresh))
    todo = [file for file in dict.fromkeys(files) if file not in fresh]
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        with state.open("a", encoding="utf-8", errors="surrogateescape") as lines:
            for found in _inspected(todo, workers):
                known[found.file] = found
                lines.write(json.dumps(asdict(found)) + "\n")
                advance(1)
    except BrokenProcessPool as error:
        raise WorkError(
            "a process that read images was killed, perhaps for want of memory: the same command "
            "goes on where it stopped; --workers 1 takes least"
        ) from error
    except OSError as error:
        raise WorkError(
            f"cannot write {state} ({error.strerror or error}): name a folder you may write "
            "with --out"
        ) from error
    return [replace(known[file], path=path) for file, path in zip(files, images.paths, strict=True)]


def _remembered(state: Path) -> dict[str, Inspection]:
    """Read what a stopped scan found; a line that is torn or of another version counts for none."""
    known: dict[str, Inspection] = {}
    try:
        text = state.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return known
    for line in text.splitlines():
        try:
            found = Inspection(**json.loads(line))
        except (ValueError, TypeError):
            continue
        known[found.file] = found
    return known


def _unchanged(file: str, known: Inspection | None) -> bool:
    if known is None or known.error:
        return False
    try:
        facts = Path(file).stat()
    except OSError:
        return False
    return facts.st_size == known.size and facts.st_mtime_ns == known.modified


def _inspected(files: Sequence[str], workers: int) -> Iterator[Inspection]:
    if workers < 2 or len(files) <= CHUNK:
        yield from (inspect(file) for file in files)
        return
    with worker_processes(workers) as pool:
        for found in pool.map(_inspect_all, _chunks(files)):
            yield from found


def _chunks(files: Sequence[str]) -> Iterator[Sequence[str]]:
    return (files[first : first + CHUNK] for first in range(0, len(files), CHUNK))


def _inspect_all(files: Sequence[str]) -> list[Inspection]:
    return [inspect(file) for file in files]
