"""What bench delta does with a key: find the report, score its descriptors again, print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.card import transductive
from bench.delta.conventions import CONVENTIONS, Convention
from bench.delta.find import find_report
from bench.delta.inputs import Inputs, Missing, as_stored
from bench.delta.measure import applicable, is_ours, measure, metrics_of
from bench.delta.stored import Stored, stored
from bench.delta.table import Line, make_delta_table
from bench.progress import Live, Progress, Silent
from results.render import terminal, write_table
from results.table import Table

AGREES = 1e-6
"""A report's means and ours are of the same numbers, added in another order."""


def run_delta(key: str, *, runs: Path, data: Path, form: str, output: Path | None) -> None:
    """Print the table of one report."""
    found = stored(find_report(runs, key), runs, data)
    with _progress() as progress:
        table = delta_table(found, progress)
    write_table(table, form, output)


def delta_table(found: Stored, progress: Progress) -> Table:
    """Score what is stored under every convention that applies."""
    row = found.row
    as_stored(found)  # says what is gone before anything is computed
    conventions = applicable(CONVENTIONS.values(), row, found.split)
    lines = list(_lines(found, conventions, progress))
    ours = next(line.scored for line in lines if is_ours(line.convention))
    assert ours is not None
    notes = [f"{found.report['key']}: {found.job.label}", *_remarks(found, ours)]
    return make_delta_table(lines, metrics_of(row), notes, twin=row.is_twin)


def _lines(found: Stored, conventions: Sequence[Convention], progress: Progress) -> Iterator[Line]:
    """Yield the lines in the table's order; conventions that share inputs share one pass."""
    scored: dict[str, Mapping[str, float]] = {}
    for convention in conventions:
        if convention.name not in scored:
            inputs = convention.inputs(found)
            if inputs is None:
                continue
            if isinstance(inputs, Missing):
                yield Line(convention, None, inputs.why)
                continue
            alike = [other for other in conventions if other.inputs == convention.inputs]
            scored |= _scored(found, inputs, alike, progress)
        yield Line(convention, scored[convention.name])


def _scored(
    found: Stored, inputs: Inputs, conventions: Sequence[Convention], progress: Progress
) -> dict[str, dict[str, float]]:
    name = f"scoring {found.row.title}: {conventions[0].name}"
    with progress.step(name, len(inputs.split.queries), "queries") as advance:
        return measure(found.row, inputs, conventions, advance)


def _remarks(found: Stored, ours: Mapping[str, float]) -> list[str]:
    """What the reader of this report's table must know."""
    remarks = []
    if transductive(found.scores):
        remarks.append("ours has its projection fitted on the evaluated images (transductive)")
    reported = found.report["metrics"]
    off = {name: abs(ours[name] - reported[name]) for name in ours if name in reported}
    worst = max(off, key=lambda name: off[name])
    if off[worst] > AGREES:
        remarks.append(
            f"ours is {100 * off[worst]:.4f} points from the report's own {worst}: the two "
            "disagree about a definition; please report it"
        )
    return remarks


@contextmanager
def _progress() -> Iterator[Progress]:
    console = terminal(stderr=True)
    if not console.is_terminal:
        yield Silent()
        return
    with Live(console, None) as live:
        yield live
