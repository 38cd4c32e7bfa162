"""bench data list, verify and get, as they are called from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from bench.doctor.examination import Examination, examine, record
from bench.doctor.page import show
from bench.doctor.records import RECORDS, verdict
from bench.download.command import get
from bench.download.fetch import OnBytes
from bench.identity import digest
from bench.image_identity import image_identity
from bench.listing import print_table
from bench.processes import usual_workers
from bench.progress import Lines, Live
from registry.datasets import Dataset, source_row
from registry.datasets.real import REAL
from registry.datasets.sources import SOURCES
from registry.errors import BenchError, WorkError
from results.render import terminal


def show_datasets(data: Path) -> None:
    """Print the real datasets with their counts and whether they are there."""
    rows = []
    for row in REAL.values():
        counts = row.counts
        asked = f"{counts.queries:,} in {counts.gallery:,}" if counts.gallery else "-"
        facts = [row.name, row.title, f"{counts.train_images:,}", asked]
        rows.append([*facts, *_place(row, data)])
    headers = ["dataset", "title", "train", "queries in gallery", f"in {data}", "doctor"]
    print_table(headers, rows)


def _place(row: Dataset, data: Path) -> tuple[str, str]:
    """Where a dataset is, and what the doctor found of it as it is now."""
    try:
        root = row.prepare(data)
        row.read(root)
    except BenchError as error:
        return str(error).removeprefix(f"{row.name}: ").partition(" (nor")[0].partition(": ")[0], ""
    fingerprint = digest(image_identity(row, data))
    return str(root), verdict([data / RECORDS], row.name, fingerprint).partition(", content")[0]


def verify_datasets(
    names: Sequence[str], data: Path, out: Path | None, *, workers: int | None, as_json: bool
) -> int:
    """Examine datasets one after the other; return the exit code."""
    rows = [part for name in names for part in _parts(source_row(name))]
    console, errors = terminal(), terminal(stderr=True)
    done: list[Examination] = []
    with _steps(errors) as step:
        for row in rows:
            found = examine(
                row, data, out or data / RECORDS, workers=workers or usual_workers(), step=step
            )
            done.append(found)
            if not as_json:
                show(found, console)
    if as_json:
        print(json.dumps([record(found) for found in done], indent=1))
    else:
        for found in done:
            console.print(found.line, highlight=False, markup=False, soft_wrap=True)
    return WorkError.exit_code if any(found.problems for found in done) else 0


def _parts(row: Dataset) -> list[Dataset]:
    """What is examined of a dataset: with distractors, two."""
    if row.base is None or row.distractors is None:
        return [row]
    return [source_row(row.base), source_row(row.distractors)]


@contextmanager
def _steps(
    console: Console,
) -> Iterator[Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]]:
    if console.is_terminal:
        with Live(console, None) as live:
            yield live.step
    else:
        yield Lines(lambda line: print(line, file=sys.stderr, flush=True), 0).step


def get_datasets(names: Sequence[str], data: Path, mirror: str | None) -> None:
    """Fetch datasets one after the other."""
    sources = [SOURCES[name] for name in names]
    errors = terminal(stderr=True)
    for source in sources:
        if (data / source.folder).exists():
            print(f"{source.name} is in {data / source.folder} already: it is left as it is")
            continue
        with _bars(errors) as bar:
            place = get(source, data, mirror=mirror, bar=bar)
        print(f"{source.name} is in {place}: bench data verify {source.name}")


@contextmanager
def _bars(console: Console) -> Iterator[Callable[[str], AbstractContextManager[OnBytes]]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        @contextmanager
        def bar(name: str) -> Iterator[OnBytes]:
            if not console.is_terminal:
                print(name, file=sys.stderr, flush=True)
            task = bars.add_task(name, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)

        yield bar
