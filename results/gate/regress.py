"""Regress: whether a run is as good as a baseline, cell by cell, on the same queries.

A cell fails where it is another cell than the baseline's (results.gate.changes), or where a
metric is worse by more than chance over queries explains: both the interval of the difference lies
wholly below the tolerance, and the sign-flip test of it is below 5 %, corrected by Holm over all
that is tested. Where few queries change, a bootstrap is too sure of itself; a flip test cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from results.gate.baseline import Entry
from results.gate.changes import changes, metric_name, missing, same_queries, weights_notes
from results.gate.outcome_lines import WHOLE
from results.gate.run_entries import Finished
from results.gate.seconds import slowness, time_notes
from results.outcomes import Outcomes
from results.stats.holm import holm
from results.stats.intervals import Interval, bootstrap
from results.stats.paired import ALPHA, Wins, sign_flip, wins

Verdict = Literal[
    "same", "within noise", "perhaps better", "perhaps worse", "better", "worse", "not paired"
]
"""perhaps: by its interval alone, which among many cells is by chance every day."""
Kind = Literal["missing", "changed", "worse", "better", "slower"]


@dataclass(frozen=True)
class Rules:
    """What is held against a run."""

    tolerance: float = 0.0
    """A fraction: how much worse than the baseline is still no failure."""
    metrics: tuple[str, ...] = ()
    """Only these; all that the baseline holds if empty."""
    both_ways: bool = False
    """Whether what is better fails, too."""
    max_slowdown: float | None = None
    """By which factor a cell may take longer, on the same machine."""


@dataclass(frozen=True)
class Compared:
    """One metric of one cell: new against old, as fractions."""

    metric: str
    old: float
    new: float
    interval: Interval | None
    """Of the difference; None where the queries are others and cannot be paired."""
    p: float | None
    """Of a difference beyond the tolerance, corrected; None where no query differs."""
    wins: Wins
    """A is new, B old."""
    verdict: Verdict

    @property
    def difference(self) -> float:
        """New less old."""
        return self.new - self.old


@dataclass(frozen=True)
class Reason:
    """Why a cell fails."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class CellCheck:
    """What became of one cell."""

    entry: Entry
    """As the baseline has it."""
    compared: tuple[Compared, ...] = ()
    reasons: tuple[Reason, ...] = ()
    """Empty where it does not fail."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """What became of a baseline in a run."""

    cells: tuple[CellCheck, ...]
    """In the order of the baseline."""
    new: tuple[Entry, ...]
    """Cells of the run that the baseline has not: noted, no failure."""
    notes: tuple[str, ...]
    rules: Rules

    @property
    def red(self) -> bool:
        """Whether any cell fails."""
        return any(cell.reasons for cell in self.cells)


def check_run(
    baseline: Sequence[Entry],
    finished: Sequence[Finished],
    rules: Rules,
    failures: Mapping[str, str],
) -> Check:
    """Hold a run's cells to a baseline's; failures are messages of cells that failed, by label."""
    run = {cell.entry.label: cell for cell in finished}
    known = {entry.label for entry in baseline}
    new = [cell.entry for cell in finished if cell.entry.label not in known]
    pairs = [(entry, run[entry.label]) for entry in baseline if entry.label in run]
    tested = _tested(pairs, rules)
    cells = [
        _held(entry, run[entry.label].entry, tested[entry.label], rules)
        if entry.label in run
        else CellCheck(entry, reasons=(Reason("missing", missing(entry, new, failures)),))
        for entry in baseline
    ]
    notes = time_notes([(old, found.entry) for old, found in pairs])
    return Check(tuple(cells), tuple(new), tuple(notes), rules)


def _tested(pairs: Sequence[tuple[Entry, Finished]], rules: Rules) -> dict[str, list[Compared]]:
    """Compare every metric of every cell, then correct for how many comparisons that was.

    Comparisons in which no query differs could not fail and are not among them (Tarone 1990).
    """
    found = [
        (old.label, _compared(old, new, name, rules.tolerance))
        for old, new in pairs
        for name in old.metrics
        if name in new.outcomes and (not rules.metrics or name in rules.metrics)
    ]
    corrected = iter(holm([one.p for _, one in found if one.p is not None]))
    judged: dict[str, list[Compared]] = {old.label: [] for old, _ in pairs}
    for label, one in found:
        p = None if one.p is None else next(corrected)
        verdict = _verdict(one, p, rules.tolerance)
        judged[label].append(replace(one, p=p, verdict=verdict))
    return judged


def _compared(old: Entry, new: Finished, metric: str, tolerance: float) -> Compared:
    """Pair outcomes as baselines hold them, so that the same run differs in nothing."""
    stored, found = old.metrics[metric], new.entry.metrics[metric]
    if not same_queries(stored, found):
        return Compared(metric, stored.value, found.value, None, None, Wins(0, 0, 0), "not paired")
    moved = (found.outcomes - stored.outcomes) / WHOLE
    differences = replace(new.outcomes[metric], per_query=moved)
    interval, p = Interval(0.0, 0.0), None
    if moved.any():
        interval = bootstrap(differences)
        p = _p_beyond(differences, tolerance)
    return Compared(metric, stored.value, found.value, interval, p, wins(differences), "same")


def _p_beyond(differences: Outcomes, tolerance: float) -> float:
    """P of a true difference that is only as large as the tolerance, in the direction found."""
    if abs(differences.mean) <= tolerance:
        return 1.0
    towards = tolerance if differences.mean < 0 else -tolerance
    return sign_flip(replace(differences, per_query=differences.per_query + towards))


def _verdict(one: Compared, p: float | None, tolerance: float) -> Verdict:
    if one.interval is None or p is None:
        return one.verdict
    if one.interval.high < -tolerance:
        return "worse" if p < ALPHA else "perhaps worse"
    if one.interval.low > tolerance:
        return "better" if p < ALPHA else "perhaps better"
    return "within noise"


def _held(old: Entry, new: Entry, compared: Sequence[Compared], rules: Rules) -> CellCheck:
    """Put together why a cell fails, and what is worth a note."""
    reasons = [Reason("changed", text) for text in changes(old, new)]
    failing = ("worse", "better") if rules.both_ways else ("worse",)
    reasons += [
        Reason("better" if one.verdict == "better" else "worse", _told(one))
        for one in compared
        if one.verdict in failing
    ]
    slow = slowness(old, new, rules.max_slowdown)
    reasons += [Reason("slower", slow)] if slow else []
    notes = [f"{_told(one)}: --update takes it over" for one in compared if one.verdict == "better"]
    notes += weights_notes(old, new)
    return CellCheck(old, tuple(compared), tuple(reasons), tuple(notes))


def _told(one: Compared) -> str:
    """R@1 worse: 50.94 -> 40.31, -10.63 points (95 % interval -13.1 to -8.0, p 0.0002) …"""
    assert one.interval is not None
    low, high = 100 * one.interval.low, 100 * one.interval.high
    return (
        f"{metric_name(one.metric)} {one.verdict}: {100 * one.old:.2f} -> {100 * one.new:.2f}, "
        f"{100 * one.difference:+.2f} points (95 % interval {low:+.2f} to {high:+.2f}, corrected p "
        f"{one.p:.2g}); of {one.wins.a + one.wins.b + one.wins.equal:,} queries {one.wins.a:,} "
        f"won, {one.wins.b:,} lost"
    )
