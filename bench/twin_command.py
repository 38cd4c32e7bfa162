"""bench data twin, as it is called from the command line: drawing in several processes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import usual_workers, worker_processes
from bench.progress import Lines, Live
from registry.datasets.layouts import LAYOUTS
from registry.datasets.real import REAL
from registry.datasets.synthetic import Draw, Drawn, Order, draw_one
from registry.datasets.twin_folder import sized, write_twin, write_twin_of_lists
from registry.errors import UsageError, WorkError
from results.render import terminal

TINY = 32
"""Pixels a side where there are as many images as in a real dataset."""
CHUNK = 256


@dataclass(frozen=True)
class Scale:
    """How large a twin is to be."""

    classes: int | None
    images: int | None
    true_counts: bool
    lists: Path | None
    side: int | None


def draw_twin(name: str, scale: Scale, out: Path, *, workers: int | None) -> None:
    """Draw a twin into a new folder; raises UsageError for what does not go together."""
    layout = LAYOUTS[name]
    ways = [scale.classes is not None or scale.images is not None, scale.true_counts, scale.lists]
    if sum(map(bool, ways)) > 1:
        raise UsageError("give --classes and --images, or --true-counts, or --lists")
    if out.exists():
        raise UsageError(f"--out {out} is there already: name a new folder")
    with _drawing(workers or usual_workers()) as draw:
        try:
            if scale.lists is not None:
                write_twin_of_lists(layout, scale.lists, out, scale.side or TINY, draw)
            elif scale.true_counts:
                twin = sized(layout.true_counts, classes=None, images=None, side=scale.side or TINY)
                write_twin(layout, twin, out, draw)
            else:
                twin = sized(
                    layout.small, classes=scale.classes, images=scale.images, side=scale.side
                )
                write_twin(layout, twin, out, draw)
        except OSError as error:
            raise WorkError(f"cannot draw into {out} ({error.strerror or error})") from error
    place = shlex.quote(f"twin:{out}")
    print(f"measure it: {_use(layout.name, out)}; examine it: bench data verify {place}")


def _use(name: str, out: Path) -> str:
    """Say how a twin is used: not all have queries."""
    row = REAL[name]
    if row.counts.queries:
        return f"bench run {shlex.quote(f'dataset=twin:{out}')} …"
    if row.train_images:
        return f"bench run … {shlex.quote(f'train=twin:{out}')}"
    return f"bench run {shlex.quote(f'dataset=twin-roxford+twin:{out}')} …"


@contextmanager
def _drawing(workers: int) -> Iterator[Draw]:
    """Yield what draws in several processes, with a bar that shows how far it is."""
    console = terminal(stderr=True)
    bars = Live(console, None) if console.is_terminal else None
    lines = Lines(lambda line: print(line, file=sys.stderr, flush=True), 0)
    with ExitStack() as stack:
        if bars:
            stack.enter_context(bars)
        step = bars.step if bars else lines.step

        def draw(orders: Iterable[Order]) -> Sequence[Drawn]:
            listed = list(orders)
            if len(listed) <= CHUNK:
                return [draw_one(order) for order in listed]
            chunks = [listed[first : first + CHUNK] for first in range(0, len(listed), CHUNK)]
            drawn: list[Drawn] = []
            # the processes end with this call, before what was drawn is removed or renamed
            with (
                step("drawing", len(listed), "images") as advance,
                worker_processes(workers) as pool,
            ):
                for found in pool.map(_draw_all, chunks):
                    drawn += found
                    advance(len(found))
            return drawn

        yield draw


def _draw_all(orders: Sequence[Order]) -> list[Drawn]:
    return [draw_one(order) for order in orders]
