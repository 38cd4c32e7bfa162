"""Check view: what every page of a check says: rows, reasons, notes, and one line for all."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from results.gate.baseline import Entry
from results.gate.regress import CellCheck, Check, Compared, Rules
from results.gate.seconds import cells
from results.names import AXES, metric_label

GOOD, BAD, NONE = "✓", "✗", "-"
FIRST = ("dataset", "backbone", "dims")
FLIPS = "won/lost"
"""Header: how many queries are better, and worse."""
MOST_NAMED = 3
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff"
"""Signs by which a name could turn the text around it; and what XML forbids."""
RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
HAS_RTL = re.compile(f"[{RTL}]")
WORD = rf"[^\s:;,()=]*[{RTL}][^\s:;,()=]*"
RIGHT_TO_LEFT = re.compile(rf"{WORD}(?: {WORD})*")


@dataclass(frozen=True)
class Grid:
    """A row for each metric of each cell, as text."""

    headers: list[str]
    body: list[list[str]]
    bad: list[bool]
    """Of each row: whether it fails."""
    fixed: str
    """The axes that have one value in all cells."""


def shown(text: str) -> str:
    """Text from names as any page can hold it: nothing unprintable, nothing that turns the line.

    What is written from right to left is isolated (Unicode's FSI, PDI): else numbers beside it
    would change places.
    """
    kept = "".join(
        "\ufffd" if sign in TURNING or unicodedata.category(sign) in UNPRINTABLE else sign
        for sign in text
    )
    return RIGHT_TO_LEFT.sub("\u2068\\g<0>\u2069", kept) if HAS_RTL.search(kept) else kept


def telling_axes(entries: Sequence[Entry]) -> list[str]:
    """Axes that tell cells apart: dataset, backbone, dims where they vary, others if still needed.

    Many axes follow from others: a pooling from its backbone, a transform from its dataset.
    """
    found: list[str] = []
    for axis in dict.fromkeys([*FIRST, *AXES]):
        apart, so_far = _distinct(entries, [*found, axis]), _distinct(entries, found)
        varies = _distinct(entries, [axis]) > 1
        if (axis in FIRST and varies) or apart > so_far:
            found.append(axis)
    return found or ["dataset", "backbone"]


def _distinct(entries: Sequence[Entry], axes: Sequence[str]) -> int:
    return len({tuple(entry.axes.get(axis) for axis in axes) for entry in entries})


def short_name(entry: Entry, axes: Sequence[str]) -> str:
    """The values of some axes: twin-sop tiny_vit 16."""
    return " ".join(shown(entry.axes[axis]) for axis in axes if axis in entry.axes)


def grid_of(check: Check) -> Grid:
    """Lay out a check: axes that vary, old and new in %, their difference in points."""
    entries = [cell.entry for cell in check.cells]
    axes = telling_axes(entries)
    headers = [*axes, "metric", "old", "new", "Δ", "95 % interval", FLIPS, "verdict"]
    body, bad = [], []
    for cell in check.cells:
        name = [shown(cell.entry.axes.get(axis, NONE)) for axis in axes]
        for numbers in _numbers(cell):
            body.append([*name, *numbers])
            bad.append(numbers[-1].startswith(BAD))
    alike = [axis for axis in AXES if axis not in axes and _distinct(entries, [axis]) == 1]
    first = entries[0].axes
    fixed = [f"{axis}={shown(first[axis])}" for axis in alike if axis in first]
    return Grid(headers, body, bad, ", ".join(fixed))


def reason_lines(check: Check) -> list[str]:
    """Why it fails: a line for each reason, with the cells that it holds of."""
    return _grouped(check, ((cell, reason.text) for cell in check.cells for reason in cell.reasons))


def note_lines(check: Check) -> list[str]:
    """What is no failure, but should be known."""
    lines = _grouped(check, ((cell, note) for cell in check.cells for note in cell.notes))
    if check.new:
        axes = telling_axes([*(cell.entry for cell in check.cells), *check.new])
        names = [short_name(entry, axes) for entry in check.new]
        lines.append(f"not in the baseline, so not checked: {_listed(names)}")
    return [*lines, *map(shown, check.notes)]


def summary(check: Check) -> str:
    """Say it in one line: red: 2 of 20 cells fail (1 missing, 1 worse); 18 the same."""
    failing = [cell for cell in check.cells if cell.reasons]
    kinds = Counter(kind for cell in failing for kind in {reason.kind for reason in cell.reasons})
    fine = Counter(_fine(cell) for cell in check.cells if not cell.reasons)
    told = [f"{count} {what}" for what, count in fine.most_common()]
    told += [f"{len(check.new)} not in the baseline"] if check.new else []
    rest = f"; {', '.join(told)}" if told else ""
    if not failing:
        return f"{GOOD} green: none of {cells(len(check.cells))} fails{rest}"
    causes = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    fail = "fails" if len(failing) == 1 else "fail"
    return f"{BAD} red: {len(failing)} of {cells(len(check.cells))} {fail} ({causes}){rest}"


def rules_line(rules: Rules) -> str:
    """Say when a number fails."""
    points = f"{100 * rules.tolerance:g}" if rules.tolerance else "0"
    where = f"beyond ±{points}" if rules.both_ways else f"below {'-' * (points != '0')}{points}"
    return (
        "metrics in %, differences in points; a number fails if all of the 95 % interval of its "
        f"difference is {where} and p < 5 % (paired sign flips, Holm)"
    )


def _numbers(cell: CellCheck) -> list[list[str]]:
    if cell.compared:
        return [_row(cell, one) for one in cell.compared]
    return [
        [metric_label(name), _percent(stored.value), NONE, NONE, NONE, NONE, _verdict(cell, None)]
        for name, stored in cell.entry.metrics.items()
    ]


def _row(cell: CellCheck, one: Compared) -> list[str]:
    interval = NONE
    if one.interval is not None and one.verdict != "same":
        interval = f"{_points(one.interval.low)} … {_points(one.interval.high)}"
    numbers = [_percent(one.old), _percent(one.new), _points(one.difference), interval]
    flips = NONE if one.interval is None else f"{one.wins.a}/{one.wins.b}"
    return [metric_label(one.metric), *numbers, flips, _verdict(cell, one)]


def _verdict(cell: CellCheck, one: Compared | None) -> str:
    """What is said of one number, and of its cell where that fails whatever its numbers are."""
    kinds = dict.fromkeys(str(reason.kind) for reason in cell.reasons)
    told = [kind for kind in kinds if kind not in ("worse", "better")]
    if one and (one.verdict in kinds or not told):
        told.append(one.verdict)
    sign = BAD if set(told) & set(kinds) else GOOD
    return f"{sign} {', '.join(told) or 'not compared'}"


def _fine(cell: CellCheck) -> str:
    """What is most worth saying of a cell that does not fail."""
    verdicts = {one.verdict for one in cell.compared}
    for verdict in ("perhaps worse", "better", "perhaps better", "within noise"):
        if verdict in verdicts:
            return verdict
    return "the same"


def _grouped(check: Check, told: Iterable[tuple[CellCheck, str]]) -> list[str]:
    """name: text, or the number of cells that share a text."""
    axes = telling_axes([cell.entry for cell in check.cells])
    groups: dict[str, list[str]] = {}
    for cell, text in told:
        groups.setdefault(shown(text), []).append(short_name(cell.entry, axes))
    return [f"{_listed(names, len(check.cells))}: {text}" for text, names in groups.items()]


def _listed(names: Sequence[str], every: int = 0) -> str:
    """A few names, and how many there are; every is the number of all."""
    if len(names) == 1:
        return names[0]
    if len(names) == every:
        return f"all {every} cells"
    more = ", …" if len(names) > MOST_NAMED else ""
    return f"{cells(len(names))} ({', '.join(names[:MOST_NAMED])}{more})"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _points(value: float) -> str:
    text = f"{100 * value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text
