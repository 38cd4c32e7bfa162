"""What bench run does with a plan: show it, or work through it and print the table."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import estimate
from bench.execution.leases import Leases
from bench.execution.local import Options, Outcome, run_plan
from bench.execution.messages import Settings
from bench.execution.pool import Pool, find_devices, warm_up
from bench.options import INTERRUPTED
from bench.plan import Plan, counted, missing_data, reasons, stages_left, summary
from bench.plan_notes import remember
from bench.progress import Lines, Live, Progress, Silent
from bench.stop import Interrupted, Stop
from registry.errors import UsageError, WorkError
from registry.presets import PRESETS
from results.paper.table import paper_table
from results.render import show, terminal
from results.store import load
from results.tables import make_table

MOST_SHOWN = 20


@dataclass(frozen=True)
class Request:
    """The options of bench run beside its matrix."""

    runs: Path
    data: Path
    device: str
    force: bool
    keep_going: bool
    quiet: bool
    cache_gb: float
    track: Sequence[str] = ()
    preset: str | None = None


def show_plan(plan: Plan, runs: Path, data: Path) -> None:
    """Print cells, shared stages, what is done, what is pruned, time, disk, missing data."""
    console = terminal()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(summary(plan))
    for stage, (needed, left) in stages_left(plan, runs).items():
        if needed:
            say(f"  {stage:<11}{needed:>6} needed, {needed - left} done, {left} to do")
    for reason, count in list(reasons(plan).items())[:MOST_SHOWN]:
        say(f"pruned {count}: {reason}")
    if len(reasons(plan)) > MOST_SHOWN:
        say(f"… and {len(reasons(plan)) - MOST_SHOWN} more reasons")
    if plan.duplicates:
        say(f"{plan.duplicates} more are the same as another: they differ where it does not matter")
    say(estimate.sentence(plan, runs))
    for message in missing_data(plan, data):
        say(f"not there yet: {message}")


def run_matrix(plan: Plan, request: Request) -> int:
    """Work through a plan; return the exit code: 0, 1 if a cell failed, 130 if interrupted.

    Another signal than Ctrl-C gives 128 + its number.
    """
    console = terminal(stderr=True)
    if not plan.cells:
        why = "; ".join(list(reasons(plan))[:3])
        raise UsageError(f"no cell is left to run: {why}")
    if plan.pruned and not request.quiet:
        for reason, count in list(reasons(plan).items())[:MOST_SHOWN]:
            console.print(f"pruned {count}: {reason}", highlight=False, markup=False)
    left = len(plan.cells) - len(plan.done(request.runs))
    if left == 0 and not request.force:
        with suppress(OSError):  # of who was killed after the last report; not needed here
            Leases(request.runs).sweep()
        if not request.quiet:
            print_results(plan, request.runs, request.preset)
            print(f"{counted(len(plan.cells), 'cell')} done")
        return 0
    warm_up()
    stop = Stop()
    try:
        with stop.listening():
            outcome = _work(plan, request, console, stop)
    except KeyboardInterrupt as signal:
        _say_how_to_go_on(plan, request, console)
        return signal.exit_code if isinstance(signal, Interrupted) else INTERRUPTED
    return _close(plan, request, outcome, console)


def _work(plan: Plan, request: Request, console: Console, stop: Stop) -> Outcome:
    with _waiting(console, request, "starting a worker …"):
        pool = _pool(request)
    remember(plan, request.runs)
    options = Options(force=request.force, keep_going=request.keep_going)
    with _progress(plan, request, console) as progress:
        return run_plan(plan, pool, progress, options, stop)


def _pool(request: Request) -> Pool:
    devices = find_devices(request.device)
    settings = Settings(
        runs=request.runs,
        data=request.data,
        here=Path.cwd(),
        cache_bytes=int(request.cache_gb * 1e9),
        force=request.force,
        workers=sum(name.count("+") + 1 for name in devices),
        track=request.track,
    )
    return Pool(settings, devices)


def _close(plan: Plan, request: Request, outcome: Outcome, console: Console) -> int:
    done = outcome.finished + outcome.already_done
    if done and not request.quiet:
        print_results(plan, request.runs, request.preset)
    untried = len(plan.cells) - done - len(outcome.failed)
    if not request.quiet or outcome.failed:
        parts = [f"{counted(done, 'cell')} done"]
        parts += [f"{len(outcome.failed)} failed"] if outcome.failed else []
        parts += [f"{untried} not tried"] if untried else []
        print(", ".join(parts))
    if not outcome.failed:
        return WorkError.exit_code if untried else 0
    messages: dict[str, list[str]] = {}
    for label, message in outcome.failed:
        messages.setdefault(message, []).append(label)
    for message, labels in messages.items():
        text = f"failed: {labels[0]}" + (f" and {len(labels) - 1} more" if labels[1:] else "")
        console.print(f"{text}: {message}", highlight=False, markup=False, soft_wrap=True)
    more = f"tracebacks are in {request.runs / 'failures'}; bench status shows every cell"
    console.print(more, highlight=False, markup=False, soft_wrap=True)
    return WorkError.exit_code


def _say_how_to_go_on(plan: Plan, request: Request, console: Console) -> None:
    done = len(plan.done(request.runs))
    again = shlex.join(["bench", *sys.argv[1:]])
    how = "--force starts from the beginning:" if request.force else "go on with"
    console.print(
        f"\ninterrupted: {done} of {len(plan.cells)} cells done; {how}\n  {again}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def print_results(plan: Plan, runs: Path, preset: str | None = None) -> None:
    """Print the table of a plan's finished cells, and the paper's own where a preset has one."""
    order = {cell.key: place for place, cell in enumerate(plan.cells)}
    mine = load(runs, order)
    mine = mine.assign(finished=mine["key"].map(order))
    show(make_table(mine))
    row = PRESETS[preset] if preset else None
    if row and row.layout:
        show(paper_table(mine, row.layout, row.gaps))


@contextmanager
def _progress(plan: Plan, request: Request, console: Console) -> Iterator[Progress]:
    if request.quiet:
        yield Silent()
    elif console.is_terminal:
        with Live(console, len(plan.cells)) as live:
            yield live
    else:
        yield Lines(lambda line: print(line, file=sys.stderr, flush=True), len(plan.cells))


@contextmanager
def _waiting(console: Console, request: Request, text: str) -> Iterator[None]:
    if request.quiet or not console.is_terminal:
        yield
    else:
        with console.status(text):
            yield
