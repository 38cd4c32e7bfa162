"""Clean: show what a run folder holds, and free what nothing needs. Never a report."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.execution import lease_files
from bench.execution.artifacts import writing
from bench.execution.leases import CLEANING, BusyError, Leases
from bench.execution.leases import FOLDER as LEASES
from bench.execution.owner import Owner
from bench.holdings import AGAIN, USES, Holding, at_work, holdings
from bench.listing import print_table
from bench.references import references
from bench.sizes import said
from registry.errors import UsageError, WorkError
from registry.publish import remove
from results.render import terminal

TITLES = {"needed": "needed", "done": "only done cells", "nothing": "nothing needs"}
MOST_SHOWN = 5
FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Asked:
    """What is to be freed of a run folder."""

    runs: Path
    everything: bool
    """Also what can be computed again (--all)."""

    def frees(self, holding: Holding) -> bool:
        """Whether an item goes."""
        again = self.everything and holding.use == "done" and holding.kind in AGAIN
        return holding.use == "nothing" or again


def clean(runs: Path, *, everything: bool, dry_run: bool) -> None:
    """Show what is held and free what is not needed; raises WorkError where someone is at work."""
    if not is_run_folder(runs):
        raise UsageError(f"{runs} is no run folder: bench run makes one, or name another by --runs")
    asked = Asked(runs, everything)
    if dry_run:
        _say("\n".join(f"at work: {line}" for line in _busy(runs)))
        found = _shown(asked)
        _say(_summary("would free", [holding for holding in found if asked.frees(holding)]))
        _advise(asked, found)
        return
    before = [path for path, _ in lease_files.all_in(runs / LEASES)]
    with _at_work_here(runs) as owner:
        cleared = [path for path in before if not path.exists()]  # a dead process's
        _refuse_if_busy(runs, owner)
        _free(asked, owner, len(cleared))


@contextmanager
def _at_work_here(runs: Path) -> Iterator[Owner | None]:
    """Hold a lease, for others to see; a full disk takes none, and is why one cleans."""
    with ExitStack() as stack:
        owner = None
        try:
            leases = stack.enter_context(Leases(runs))
            stack.enter_context(leases.holding(CLEANING, "cleaning the run folder"))
            owner = leases.owner
        except BusyError as error:
            raise WorkError(f"{runs} is in use ({error}): run again when that is done") from error
        except WorkError as error:
            cause = error.__cause__
            if not (isinstance(cause, OSError) and cause.errno in FULL):
                raise
        yield owner


def is_run_folder(folder: Path) -> bool:
    """Whether bench run has worked there."""
    return any((folder / name).is_dir() for name in ("plans", "reports", "artifacts", "failures"))


def is_lease(path: Path) -> bool:
    """Whether a path is a lease, not a draft of one."""
    return path.parent.name == LEASES and not path.name.startswith(".")


def _free(asked: Asked, owner: Owner | None, cleared: int) -> None:
    plans = _plans(asked.runs)
    found = _shown(asked)
    if plans != _plans(asked.runs):
        raise WorkError(f"a run began in {asked.runs} meanwhile: nothing was freed")
    freed: list[Holding] = []
    try:
        for holding in filter(asked.frees, found):
            if is_lease(holding.path):
                continue  # died this moment: the next run or cleaning clears it, as its only heir
            _refuse_if_busy(asked.runs, owner)
            with writing(holding.path):
                remove(holding.path)
            freed.append(holding)
    finally:
        more = f"; cleared {cleared} leases of dead processes" if cleared else ""
        _say(_summary("freed", freed) + more)
    _advise(asked, found)


def _refuse_if_busy(runs: Path, mine: Owner | None) -> None:
    busy = _busy(runs, mine)
    if busy:
        raise WorkError(
            "\n".join([f"{runs} is in use, nothing more was freed:", *busy])
            + "\nwait for it and run again; if it is dead, remove the file of its lease"
        )


def _busy(runs: Path, mine: Owner | None = None) -> list[str]:
    """Say who is at work; this process's own lease does not count."""
    others = [
        f"{lease.what}, by {lease.owner} since {lease.since or 'an unknown time'} ({path})"
        for path, lease in at_work(runs)
        if lease.owner != mine
    ]
    more = len(others) - MOST_SHOWN
    return others[:MOST_SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _plans(runs: Path) -> list[tuple[str, int]]:
    """Tell the plans apart from those of another moment."""
    paths = sorted((runs / "plans").glob("*.json"))
    return [(path.name, path.stat().st_mtime_ns) for path in paths]


def _shown(asked: Asked) -> list[Holding]:
    """Find what is held and print it as a table."""
    cells = references(asked.runs)
    found = list(holdings(asked.runs, cells))
    kinds = dict.fromkeys(holding.kind for holding in found)
    rows = [[kind, *_columns([one for one in found if one.kind == kind])] for kind in kinds]
    rows.append(["all", *_columns(found)])
    print_table(["kind", "count", "size", *(TITLES[use] for use in USES)], rows)
    if cells.unclear:
        _say(
            f"{len(cells.unclear)} cells to be done were noted by an earlier version, which did "
            "not say what they rest on: every artifact is kept. Run their matrix again, or delete "
            f"the notes in {asked.runs / 'plans'}"
        )
    return found


def _columns(found: Sequence[Holding]) -> list[str]:
    parts = [_amount([one for one in found if one.use == use]) for use in USES]
    return [str(len(found)), said(sum(one.bytes for one in found)), *parts]


def _amount(found: Sequence[Holding]) -> str:
    return f"{len(found)} ({said(sum(one.bytes for one in found))})" if found else "-"


def _summary(verb: str, found: Sequence[Holding]) -> str:
    if not found:
        return f"{verb} nothing"
    counts = Counter(holding.kind for holding in found)
    parts = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
    return f"{verb} {said(sum(holding.bytes for holding in found))}: {parts}"


def _advise(asked: Asked, found: Iterable[Holding]) -> None:
    """Say what more could be freed, or what freeing it means."""
    again = [holding for holding in found if holding.use == "done" and holding.kind in AGAIN]
    if again and asked.everything:
        _say("bench delta, and new dims or metrics of done cells, will have to compute it again")
    elif again:
        _say(
            f"{said(sum(holding.bytes for holding in again))} more can be computed again and is "
            "kept for bench delta and for new dims: --all frees it"
        )


def _say(text: str) -> None:
    if text:
        terminal().print(text, highlight=False, markup=False, soft_wrap=True)
