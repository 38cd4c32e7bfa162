"""Selection: which cells of a plan one run does (--only, --shard, --retry-failed, --limit).

They apply in this order. A shard is dealt before anything is asked of the run folder, so it is the
same whatever is done already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.matrix import Rule, first_match, read_matrix, read_rules
from bench.plan import Plan, Planned, counted, make_plan
from bench.plan_notes import noted_cells, same_job
from bench.shards import groups, of_shard
from registry.errors import BenchError, UsageError
from results.store import failure_path, report_path


@dataclass(frozen=True)
class Selection:
    """What was asked for; as it is by default, it selects everything."""

    only: tuple[Rule, ...] = ()
    shard: tuple[int, int] | None = None
    """Which, from 1, of how many."""
    retry_failed: bool = False
    limit: int | None = None
    text: str = ""
    """As it was typed."""


@dataclass(frozen=True)
class Typed:
    """The matrix of a command line."""

    words: Sequence[str]
    preset: str | None
    exclude: Sequence[str]
    skip_bad_images: bool
    twins: bool = False
    """Whether the preset's datasets are replaced by their twins."""


@dataclass(frozen=True)
class Selected:
    """What is left of a plan, and what to say of that; nothing to say if nothing was asked for."""

    plan: Plan
    said: str = ""
    nothing: bool = False
    """Whether the selection left no cell of those that there were."""


def read_selection(
    *, only: Sequence[str], shard: str | None, retry_failed: bool, limit: int | None
) -> Selection:
    """Read the options; raises UsageError for what is none."""
    words = [f'--only "{text}"' if " " in text else f"--only {text}" for text in only]
    words += [f"--shard {shard}"] if shard is not None else []
    words += ["--retry-failed"] if retry_failed else []
    words += [f"--limit {limit}"] if limit is not None else []
    return Selection(
        only=read_rules(only, "--only"),
        shard=None if shard is None else _read_shard(shard),
        retry_failed=retry_failed,
        limit=limit,
        text=" ".join(words),
    )


def choose(
    typed: Typed, wanted: Selection, runs: Path, data: Path, *, force: bool = False
) -> Selected:
    """Plan what was typed, or, where that is --retry-failed alone, what failed; then select."""
    skip, nothing = typed.skip_bad_images, typed.preset is None and not typed.twins
    if wanted.retry_failed and not typed.words and nothing:
        plan = failed_plan(runs, data, skip_bad_images=skip, exclude=typed.exclude)
    else:
        matrix = read_matrix(
            typed.words, preset=typed.preset, exclude=typed.exclude, twins=typed.twins
        )
        plan = make_plan(matrix, skip_bad_images=skip, data=data)
    return select(plan, wanted, runs, force=force)


def select(plan: Plan, wanted: Selection, runs: Path, *, force: bool = False) -> Selected:
    """Keep the cells that were asked for, in the plan's order.

    force: nothing counts as done. Raises UsageError where --only matches nothing.
    """
    if not wanted.text or (plan.pruned and not plan.cells):
        return Selected(plan)
    if not plan.cells:
        return Selected(plan, f"{wanted.text}: no cell in {runs} failed", nothing=True)
    matching = _matching(plan.cells, wanted) if wanted.only else plan.cells
    mine = of_shard(matching, *wanted.shard) if wanted.shard else matching
    tried = _that_failed(mine, runs) if wanted.retry_failed else mine
    left = tried if wanted.limit is None else _undone(tried, runs, force)[: wanted.limit]
    chosen = replace(plan, cells=left)
    if left:
        said = f"{len(left)} of {counted(len(plan.cells), 'cell')} selected by {wanted.text}"
        return Selected(chosen, said)
    why = _why_none(matching, mine, tried)
    return Selected(chosen, f"{wanted.text}: {why}", nothing=True)


def _why_none(
    matching: Sequence[Planned], mine: Sequence[Planned], tried: Sequence[Planned]
) -> str:
    if not mine:
        there = len(groups(matching))
        return f"no cell is in this shard: the cells are {counted(there, 'group')} that share work"
    return "every cell is done" if tried else "no cell of this matrix failed"


def failed_plan(
    runs: Path, data: Path | None, *, skip_bad_images: bool, exclude: Sequence[str]
) -> Plan:
    """Plan every cell that failed in a run folder, from its notes, with today's code and data.

    What cannot be resolved any more is pruned, with the reason. Raises UsageError where no cell was
    ever asked for.
    """
    noted, rules = noted_cells(runs), read_rules(exclude, "--exclude")
    if not noted:
        raise UsageError(f"no cell was ever asked for in {runs}: bench run, or another --runs")
    cells: dict[str, Planned] = {}
    pruned: list[tuple[str, str]] = []
    for cell in (cell for cell in noted if _failed(cell.key, runs)):
        rule = first_match(rules, {}, cell.values)
        try:
            planned = cell.planned(data, skip_bad_images=skip_bad_images)
        except BenchError as error:
            pruned.append((cell.label, str(error)))
            continue
        if rule:
            pruned.append((cell.label, f"--exclude {rule}"))
        else:
            cells.setdefault(planned.key, planned)
    return Plan(cells=list(cells.values()), pruned=pruned, duplicates=0)


def _read_shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    index, number = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= number:
        raise UsageError(
            f"--shard {text}: write I/N, the I-th of N shards, with I from 1 to N: "
            "--shard 1/4 to --shard 4/4"
        )
    return index, number


def _matching(cells: Sequence[Planned], wanted: Selection) -> list[Planned]:
    """Cells that match a rule, as one of the cells that were typed or as resolved."""
    kept = [
        cell
        for cell in cells
        if any(first_match(wanted.only, typed, cell.job.matched()) for typed in cell.typed or ({},))
    ]
    if not kept:
        axes = dict.fromkeys(axis for rule in wanted.only for axis in rule)
        known = "; ".join(f"{axis}={','.join(_values(cells, axis))}" for axis in axes)
        raise UsageError(f"{wanted.text}: --only matches no cell: there is {known}")
    return kept


def _values(cells: Sequence[Planned], axis: str) -> list[str]:
    found = dict.fromkeys(cell.job.matched().get(axis) for cell in cells)
    return [str(value) for value in found if value is not None]


def _that_failed(cells: Sequence[Planned], runs: Path) -> list[Planned]:
    """Cells without a report that failed when they were tried last, be it with other inputs.

    A cell that failed because its images were not there has another key once they are.
    """
    failed = {same_job(cell.values) for cell in noted_cells(runs) if _failed(cell.key, runs)}
    return [
        cell
        for cell in cells
        if not report_path(runs, cell.key).is_file()
        and (_failed(cell.key, runs) or same_job(cell.job.values()) in failed)
    ]


def _undone(cells: Sequence[Planned], runs: Path, force: bool) -> list[Planned]:
    return [cell for cell in cells if force or not report_path(runs, cell.key).is_file()]


def _failed(key: str, runs: Path) -> bool:
    return failure_path(runs, key).is_file() and not report_path(runs, key).is_file()
