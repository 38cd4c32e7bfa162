"""Tables of effects: a row for each value or pair of values, a column for each study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from results.analysis import remarks
from results.analysis.axes import natural
from results.analysis.effects import Where
from results.analysis.estimates import MISSING, Analysis, Estimate
from results.names import AXES
from results.table import Emphasis, Table

Column = Mapping[Where, Estimate]
"""The effects of one study."""


def main_table(
    analyses: Sequence[Analysis], found: Sequence[Column], without: Sequence[str]
) -> Table:
    """Effect of each value against the mean over its axis' values; the best is emphasised.

    without: of which studies there are no intervals, and why.
    """
    values: dict[str, set[str]] = {}
    for axis in (axis for analysis in analyses for axis in analysis.study.axes):
        values.setdefault(axis.name, set()).update(axis.values)
    rows: list[Where] = [
        ((name, value),)
        for name in sorted(values, key=_place)
        for value in sorted(values[name], key=natural)
    ]
    notes = [
        remarks.MAIN,
        *remarks.estimates_told(found, rows),
        *without,
        *remarks.seeds_told(analyses),
        *remarks.inseparable(analyses),
        *remarks.unidentified(analyses),
    ]
    return _table(("axis", "value"), rows, analyses, found, notes)


def pair_table(
    analyses: Sequence[Analysis],
    found: Sequence[Column],
    rows: Sequence[Where],
    without: Sequence[str],
) -> Table:
    """What pairs of values add to the effects of both, in the rows asked for."""
    notes = [
        remarks.PAIRS,
        *remarks.estimates_told(found, rows),
        *without,
        *remarks.inseparable(analyses),
        *remarks.unidentified_pairs(analyses),
    ]
    return _table(("interaction", "of"), rows, analyses, found, notes)


def _table(
    names: tuple[str, str],
    rows: Sequence[Where],
    analyses: Sequence[Analysis],
    found: Sequence[Column],
    notes: list[str],
) -> Table:
    import pandas as pd

    body, numbers, last = [], [], ""
    for where in rows:
        axis, value = (" × ".join(part) for part in zip(*where, strict=True))
        shown = [column.get(where) for column in found]
        texts = [estimate.text if estimate else MISSING for estimate in shown]
        body.append(["" if axis == last else axis, value, *texts])
        numbers.append({names[0]: axis, names[1]: value, **_numbers(analyses, shown)})
        last = axis
    studies = [analysis.study for analysis in analyses]
    headers = [*names, *(study.header for study in studies)]
    best = [_best(rows, column) for column in found]
    blank: list[Emphasis] = ["", ""]
    return Table(
        headers=headers,
        body=body,
        numbers=pd.DataFrame(numbers),
        notes=notes,
        marks=[""] * len(body),
        over=["", "", *(study.title for study in studies)],
        emphasis=[[*blank, *(column.get(where, "") for column in best)] for where in rows],
    )


def _numbers(
    analyses: Sequence[Analysis], shown: Sequence[Estimate | None]
) -> dict[str, float | None]:
    """In points; spreads and ends of intervals in columns of their own."""
    headers = [analysis.study.header for analysis in analyses]
    record: dict[str, float | None] = {
        header: estimate.value if estimate else None
        for header, estimate in zip(headers, shown, strict=True)
    }
    for header, estimate in zip(headers, shown, strict=True):
        if estimate and estimate.spread is not None:
            record[f"{header} std"] = estimate.spread
        if estimate and estimate.interval:
            record[f"{header} low"] = estimate.interval.low
            record[f"{header} high"] = estimate.interval.high
    return record


def _place(name: str) -> int:
    return AXES.index(name.split("+")[0])


def _best(rows: Sequence[Where], column: Column) -> dict[Where, Emphasis]:
    """The best value of each axis, as shown: those that round alike are all best."""
    shown: dict[str, dict[Where, float]] = {}
    for where in rows:
        if len(where) == 1 and where in column:
            shown.setdefault(where[0][0], {})[where] = round(column[where].value, 1)
    return {
        where: "best"
        for values in shown.values()
        for where, value in values.items()
        if value == max(values.values())
    }
