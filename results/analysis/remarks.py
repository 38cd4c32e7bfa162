"""Remarks: what is said under tables of effects, that they be not misread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from results.analysis import seeds
from results.analysis.effects import Where
from results.analysis.estimates import MISSING, Analysis, Estimate
from results.analysis.study import Study
from results.notes import interval_note
from results.significance import ALIKE

VARIANCE = (
    "share of the variance over the finished cells that each axis explains: R² of a least-squares "
    "fit of all axes, shared out by LMG (Lindeman, Merenda and Gold 1980): what an axis adds, "
    "averaged over all orders of adding axes; two-way interactions: what they add to the axes; "
    "rest: what neither fits; seeds: variance within cells"
)
MAIN = (
    "effect of a value in points, against the mean over its axis' values: least squares over the "
    "finished cells, each counting alike"
)
PAIRS = (
    "what two values together add to the sum of their effects, in points: least squares with all "
    "two-way interactions; shown are the two largest of each pair of axes (of two that are each "
    "other's negative, the positive)"
)


def estimates_told(found: Sequence[Mapping[Where, Estimate]], rows: Sequence[Where]) -> list[str]:
    """Say what the signs of the estimates in some rows are."""
    shown = [column[where] for column in found for where in rows if where in column]
    notes = []
    if any(estimate.interval for estimate in shown):
        notes.append(f"{interval_note('bootstrap')}; not corrected for the number of effects")
    if any(estimate.unclear for estimate in shown):
        notes.append(f"{ALIKE} may be none: its interval holds 0, or seeds move it by as much")
    return notes


def seeds_told(analyses: Sequence[Analysis]) -> list[str]:
    """Name the studies whose seeds do not tell how effects move."""

    def of(analysis: Analysis) -> list[str]:
        several = seeds.residual(analysis.study) == seeds.residual(analysis.study)
        if not several or len(seeds.by_seed(analysis.study)) > 1:
            return []
        return ["no ± over seeds: no two seeds are finished for all cells"]

    return _said(analyses, of)


def unvaried(studies: Sequence[Study]) -> list[str]:
    """Name the studies in which nothing varies."""
    return [
        f"not shown: {study.header}, of which no axis varies (cells: {study.n_cells})"
        for study in studies
        if not study.axes
    ]


def inseparable(analyses: Sequence[Analysis]) -> list[str]:
    """Name the axes that go together in all cells: what is shown is of all of them."""

    def of(analysis: Analysis) -> list[str]:
        return [
            f"{axis.name}: among these cells each {axis.names[0]} has one {name}, so that the two "
            "cannot be told apart"
            for axis in analysis.study.axes
            for name in axis.names[1:]
        ]

    return _said(analyses, of)


def unidentified(analyses: Sequence[Analysis]) -> list[str]:
    """Name the axes whose effects the cells cannot tell apart, though none follows from another."""

    def of(analysis: Analysis) -> list[str]:
        return [
            f"{MISSING} {' and '.join(axis.name for axis in group)} cannot be told apart: what is "
            "missing of their effects is the same in all finished cells; run cells that cross them"
            for group in analysis.tangled
        ]

    return _said(analyses, of)


def unidentified_pairs(analyses: Sequence[Analysis]) -> list[str]:
    """Name the pairs of axes of which no interaction is identified."""

    def of(analysis: Analysis) -> list[str]:
        names = [axis.name for axis in analysis.study.axes]
        known = {(a[0], b[0]) for a, b in analysis.interactions}
        pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
        lacking = [f"{a} × {b}" for a, b in pairs if (a, b) not in known]
        if not lacking:
            return []
        return [f"not identified by the finished cells: interactions of {', '.join(lacking)}"]

    return _said(analyses, of)


def saturated(analyses: Sequence[Analysis]) -> list[str]:
    """Say where a model has as many effects as cells, and would fit whatever they are."""

    def of(analysis: Analysis) -> list[str]:
        if analysis.main.rank == analysis.study.n_cells:
            return ["as many effects of axes as cells: they explain all, whatever the cells are"]
        if analysis.pairs.rank == analysis.study.n_cells:
            return ["two-way interactions fit every cell: theirs includes the rest, and chance"]
        return []

    return _said(analyses, of)


def _said(analyses: Sequence[Analysis], of: Callable[[Analysis], list[str]]) -> list[str]:
    """What is to be said of studies, with their names unless it holds of all."""
    told: dict[str, list[str]] = {}
    for analysis in analyses:
        for text in of(analysis):
            told.setdefault(text, []).append(analysis.study.header)
    return [
        text if len(headers) == len(analyses) else f"{', '.join(headers)}: {text}"
        for text, headers in told.items()
    ]
