"""Copying between run folders: each file or artifact in one step, where it is not there yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.execution.artifacts import FOLDERS, remove_folder, writing
from bench.execution.manifest import blocks, checksum, damage
from registry.publish import publish, write_file
from results.store import failure_path, per_query_path, report_path, reports_folder

Say = Callable[[str], None]


def bring_plans(other: Path, runs: Path) -> int:
    """Bring plan notes, named for their cells; return how many."""
    return sum(_brought(path, runs / "plans" / path.name) for path in _files(other / "plans"))


def bring_reports(other: Path, runs: Path) -> int:
    """Bring reports, each after its Parquet; a failure of the same cell is forgotten."""
    count = 0
    for path in _files(reports_folder(other)):
        key = path.stem
        if path.suffix != ".json":
            continue
        _brought(per_query_path(other, key), per_query_path(runs, key))
        count += _brought(path, report_path(runs, key))
        with writing(failure_path(runs, key)):
            failure_path(runs, key).unlink(missing_ok=True)
    return count


def bring_failures(other: Path, runs: Path) -> int:
    """Bring the failures of cells that have no report; return how many."""
    return sum(
        _brought(path, failure_path(runs, path.stem))
        for path in _files(other / "failures")
        if not report_path(runs, path.stem).is_file()
    )


def bring_logs(other: Path, runs: Path) -> int:
    """Bring logs; return how many. One that says something else than ours is put beside it."""
    count = 0
    for path in _files(other / "log"):
        final = runs / "log" / path.name
        if not final.exists():
            count += _brought(path, final)
        elif not _begins(path, final):
            longer = _begins(final, path)  # it was still being written when it was merged
            beside = final.with_name(f"{path.stem}.{checksum(path)}{path.suffix}")
            count += _brought(path, final if longer else beside, replace=longer)
    return count


def bring_artifacts(other: Path, runs: Path, say: Say) -> int:
    """Bring artifacts that are not there or are damaged; return how many."""
    count = 0
    for folder in FOLDERS.values():
        for source in _folders(other / "artifacts" / folder):
            final = runs / "artifacts" / folder / source.name
            there = final.is_dir()
            wrong = damage(final) if there else None
            if there and wrong is None:
                continue
            flaw = damage(source)
            if flaw is not None:
                say(f"left out an artifact: {flaw}; what needs it will compute it again")
                continue
            if wrong:
                say(f"{wrong}: replaced by that of {other}")
                remove_folder(final)
            _copy_folder(source, final)
            count += 1
    return count


def _copy_folder(source: Path, final: Path) -> None:
    def write(unfinished: Path) -> None:
        for path in sorted(source.rglob("*")):
            target = unfinished / path.relative_to(source)
            if path.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                _pour(path, target)

    with writing(final):
        publish(final, write)


def _brought(source: Path, final: Path, *, replace: bool = False) -> bool:
    """Copy a file unless it is there; tell whether it was copied."""
    if final.exists() and not replace:
        return False
    with writing(final):
        write_file(final, lambda unfinished: _pour(source, unfinished))
    return True


def _pour(source: Path, target: Path) -> None:
    """Copy a file's bytes: a WorkError if it cannot be read, an OSError if not written."""
    with target.open("wb") as file:
        for block in blocks(source):
            file.write(block)


def _begins(path: Path, other: Path) -> bool:
    """Whether a file is how another begins, or all of it."""
    return other.read_bytes().startswith(path.read_bytes())


def _files(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_file()]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _visible(folder: Path) -> list[Path]:
    """What has its final name."""
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))
