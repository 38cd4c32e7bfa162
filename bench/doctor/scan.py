"""Scanning: every image of a dataset inspected once, in several processes, resumable.

What is known of a file is kept, a line of JSON each, and holds as long as its size and time do.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import partial
from pathlib import Path

from bench.doctor.inspection import Inspection, inspect
from registry.datasets.split import Images
from registry.errors import WorkError

CHUNK = 32
"""Files that a process is handed at a time."""


def scan(
    images: Images, state: Path, *, workers: int, advance: Callable[[int], None]
) -> list[Inspection]:
    """Inspect images, in their order. Raises WorkError where the state cannot be written."""
    known = _remembered(state)
    fresh = {path for path in images.paths if _unchanged(images.root / path, known.get(path))}
    advance(len(fresh))
    todo = [path for path in dict.fromkeys(images.paths) if path not in fresh]
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        with state.open("a", encoding="utf-8", errors="surrogateescape") as file:
            for found in _inspected(images.root, todo, workers):
                known[found.path] = found
                file.write(json.dumps(asdict(found)) + "\n")
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
    return [known[path] for path in images.paths]


def _remembered(state: Path) -> dict[str, Inspection]:
    """Read what earlier scans found; a line that is torn or of another version counts for none."""
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
        known[found.path] = found
    return known


def _unchanged(path: Path, known: Inspection | None) -> bool:
    if known is None or known.error:
        return False
    try:
        facts = path.stat()
    except OSError:
        return False
    return facts.st_size == known.size and facts.st_mtime_ns == known.modified


def _inspected(root: Path, paths: Sequence[str], workers: int) -> Iterator[Inspection]:
    if workers < 2 or len(paths) <= CHUNK:
        yield from (inspect(str(root), path) for path in paths)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_quiet) as pool:
        work = partial(_inspect_all, str(root))
        try:
            for found in pool.map(work, _chunks(paths)):
                yield from found
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _chunks(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    return (paths[first : first + CHUNK] for first in range(0, len(paths), CHUNK))


def _inspect_all(root: str, paths: Sequence[str]) -> list[Inspection]:
    return [inspect(root, path) for path in paths]


def _quiet() -> None:
    """Leave Ctrl-C to the parent."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def usual_workers() -> int:
    """As many processes as there are cores for this one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
