"""Holdings: what a run folder holds, item by item, and who needs each. Nothing is read but names.

needed    by a cell that is still to be done, or it is a record that is always kept
done      by cells that have their report: made again if more is asked of them
nothing   by nobody: superseded, failed once and done since, or left by a killed process
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.execution import lease_files
from bench.execution.artifacts import FOLDERS
from bench.execution.leases import FOLDER as LEASES
from bench.execution.owner import Lease
from bench.references import References
from bench.sizes import size_of
from registry.publish import UNFINISHED
from results.store import reports_folder

Use = Literal["needed", "done", "nothing"]
USES: tuple[Use, ...] = ("needed", "done", "nothing")
DRAFTS = (".draft-", ".aside-")
FORGOTTEN = 3600.0
"""Seconds after which a draft that cannot be read is nobody's: it is written in milliseconds."""
AGAIN = (*FOLDERS.values(), "checkpoints", "pixels")
"""Kinds that can be computed again."""


@dataclass(frozen=True)
class Holding:
    """One artifact, file or folder."""

    kind: str
    path: Path
    bytes: int
    use: Use


def holdings(runs: Path, cells: References) -> Iterator[Holding]:
    """Yield all that a run folder holds, except who is at work in it."""
    yield from _artifacts(runs, cells)
    yield from _checkpoints(runs, cells)
    yield from _pixels(runs, cells)
    yield from _logs(runs, cells)
    yield from _failures(runs, cells)
    yield from _reports(runs)
    for path in _visible(runs / "plans"):
        yield _holding("plan notes", path, "needed")
    for path in leftovers(runs):
        yield _holding("leftovers", path, "nothing")


def leftovers(runs: Path) -> Iterator[Path]:
    """Yield what killed processes left: unfinished files and folders, drafts and leases."""
    for folder, folders, files in os.walk(runs):
        for name in [*folders, *files]:
            if name.startswith(UNFINISHED):
                yield Path(folder, name)
        folders[:] = [name for name in folders if not name.startswith(UNFINISHED)]
    for path, lease in lease_files.all_in(runs / LEASES):
        if lease.owner.gone() or _forgotten(path, lease):
            yield path


def at_work(runs: Path) -> Iterator[tuple[Path, Lease]]:
    """Yield the leases of processes that are not known to be gone."""
    for path, lease in lease_files.all_in(runs / LEASES):
        if not lease.owner.gone() and not _forgotten(path, lease):
            yield path, lease


def _artifacts(runs: Path, cells: References) -> Iterator[Holding]:
    for stage, folder in FOLDERS.items():
        for path in _visible(runs / "artifacts" / folder):
            yield _holding(folder, path, _use(f"{stage.lower()}-{path.name}", cells))


def _use(name: str, cells: References) -> Use:
    """Who needs a stage; any stage may be needed by a cell of which nobody noted its own."""
    if name in cells.needed:
        return "needed"
    if name in cells.done:
        return "done"
    return "needed" if cells.unclear else "nothing"


def _checkpoints(runs: Path, cells: References) -> Iterator[Holding]:
    for path in _visible(runs / "checkpoints"):
        published = (runs / "artifacts" / FOLDERS["Model"] / path.name).is_dir()
        use = "nothing" if published else _use(f"model-{path.name}", cells)
        yield _holding("checkpoints", path, use)


def _pixels(runs: Path, cells: References) -> Iterator[Holding]:
    """Images are named by no cell: as long as one is to be done, it may need any of them."""
    use: Use = "needed" if cells.waiting else "done" if cells.reported else "nothing"
    for path in _visible(runs / "cache"):
        yield _holding("pixels", path, use)


def _logs(runs: Path, cells: References) -> Iterator[Holding]:
    """Of a stage, by its name; those of processes say who computed what, and stay."""
    kinds = {"extraction", *(stage.lower() for stage in FOLDERS)}
    for path in _visible(runs / "log"):
        of_stage = path.stem.partition("-")[0] in kinds and path.stem.count("-") == 1
        name = path.stem.partition(".")[0]  # one brought by a merge has a second name
        yield _holding("logs", path, _use(name, cells) if of_stage else "needed")


def _failures(runs: Path, cells: References) -> Iterator[Holding]:
    for path in _visible(runs / "failures"):
        waiting = path.stem in cells.cells and path.stem not in cells.reported
        yield _holding("failures", path, "needed" if waiting else "nothing")


def _reports(runs: Path) -> Iterator[Holding]:
    """A report with the Parquet beside it is one."""
    paths = dict.fromkeys(_visible(reports_folder(runs)))
    for path in paths:
        if path.suffix == ".json":
            beside = size_of(path.with_suffix(".parquet"))
            yield Holding("reports", path, size_of(path) + beside, "needed")
        elif path.suffix != ".parquet" or path.with_suffix(".json") not in paths:
            yield _holding("reports", path, "needed")


def _holding(kind: str, path: Path, use: Use) -> Holding:
    return Holding(kind, path, size_of(path), use)


def _visible(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return []


def _forgotten(path: Path, lease: Lease) -> bool:
    """Whether it is a draft that its writer never ended: nobody can say whose."""
    unreadable = lease is lease_files.UNREADABLE and path.name.startswith(DRAFTS)
    return unreadable and time.time() - lease_files.renewed(path) > FORGOTTEN
