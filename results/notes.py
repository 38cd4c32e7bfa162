"""Notes: what is said under a table, that its numbers be not misread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from results import signatures
from results.cells import MARKS, Cell, Column
from results.names import AXES, by_title, plain
from results.stats.intervals import LEVEL, Method
from results.ties import tie_notes

if TYPE_CHECKING:
    import pandas as pd

SUBSET = "subset: a part of a dataset, easier than the whole and not to be compared with it"
TWINS = "twin: drawn by code, no number of the real dataset"


def table_notes(frame: pd.DataFrame, row_axes: Sequence[str], cols: Sequence[str]) -> list[str]:
    """What holds of the whole table, or of whole columns."""
    others = [axis for axis in AXES if axis not in (*row_axes, *cols)]
    fixed = [
        f"{axis}={plain(frame[axis].dropna().iloc[0])}{_where(frame, axis)}"
        for axis in others
        if frame[axis].nunique() == 1
    ]
    notes = ["metrics in %; " + ", ".join(fixed)] if fixed else ["metrics in %"]
    notes += [
        f"{axis}: {_by_column(frame, axis, list(cols))}"
        for axis in others
        if frame[axis].nunique() > 1 and axis != "seed"
    ]
    if any("twin" in marks for marks in frame["marks"]):
        notes.append(TWINS)
    if any("subset" in marks for marks in frame["marks"]):
        notes.append(SUBSET)
    notes += _selected_on_the_test(frame)
    return notes + _unverified(frame)


def interval_note(method: Method) -> str:
    """Say what the brackets are."""
    means = {
        "bootstrap": "BCa bootstrap over classes (landmarks: queries)",
        "wilson": "Wilson, queries taken as independent",
    }
    seeds = "; ± is the standard deviation over seeds, apart from it"
    return f"[ ]: {100 * LEVEL:.0f} % interval over queries, {means[method]}{seeds}"


def explained(
    columns: Sequence[Column], names: Sequence[str], grid: Sequence[Sequence[Cell]]
) -> list[str]:
    """Say what the signs of the cells stand for; names are those of the rows."""
    cells = [cell for row in grid for cell in row]
    used = {mark for cell in cells for mark in cell.marks}
    notes = [f"{sign} {text}" for name, (sign, text) in MARKS.items() if name in used]
    notes += tie_notes(
        (column.header, name, cell.bounds)
        for name, row in zip(names, grid, strict=True)
        for column, cell in zip(columns, row, strict=True)
    )
    differing = signatures.untold(found for cell in cells for found in cell.differences)
    return [*notes, signatures.mixed_note(differing)] if differing else notes


def _where(frame: pd.DataFrame, axis: str) -> str:
    """Say so where an axis matters to some reports only."""
    return " (where it matters)" if frame[axis].isna().any() else ""


def _selected_on_the_test(frame: pd.DataFrame) -> list[str]:
    """Say how much choosing on the evaluated images gained over the last checkpoint."""
    chosen = frame[frame["marks"].map(lambda marks: "test-selected" in marks)]
    if chosen.empty or "selected_r@1" not in chosen:
        return []
    gaps = 100 * (chosen["selected_r@1"] - chosen["last_r@1"])
    means = gaps.groupby(chosen["dataset_title"], sort=False).mean()
    said = ", ".join(f"{title} {gap:+.1f}" for title, gap in means.items())
    return [
        "‡ R@1 at the chosen step over that at the last, the honest one, in points, as it was "
        f"looked at (the width and resolution of training), mean of the rows: {said}"
    ]


def _unverified(frame: pd.DataFrame) -> list[str]:
    """Name the datasets that nobody has examined; twins are drawn, folders are their owner's."""
    said = frame.get("protocol.dataset_verified")
    if said is None:
        return []
    own = frame["dataset"].str.startswith("folder:") | frame["marks"].map(lambda m: "twin" in m)
    names = frame[~own & said.str.contains(r"bench data verify", regex=False)]["dataset"].unique()
    return [f"not verified: {', '.join(names)} (bench data verify)"] if len(names) else []


def _by_column(frame: pd.DataFrame, axis: str, cols: list[str]) -> str:
    """Say which values an axis takes that tells neither rows nor reports of a cell apart."""
    parts = {
        title: "/".join(dict.fromkeys(plain(value) for value in group[axis]))
        for title, group in by_title(frame, cols)
    }
    if len(set(parts.values())) == 1:
        return next(iter(parts.values()))
    return ", ".join(f"{title} {values}" for title, values in parts.items())
