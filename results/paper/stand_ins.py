"""Stand-ins: which of our finished cells stands for which number of a published table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.cells import Cell, cell_of
from results.names import AXES, plain
from results.published import TWIN, Published, published_for
from results.published_file import Row
from results.signatures import mark_protocols

if TYPE_CHECKING:
    import pandas as pd

COSTS = {"params_m": ("parameters", 1e-6), "gflops": ("gflops_paper", 1.0)}
"""Metric of a published number -> column of ours, and its unit."""


@dataclass(frozen=True)
class StandIn:
    """One of our cells beside one published number."""

    cell: Cell
    """In the number's unit."""
    published: Published
    twin: bool
    rivals: int
    """Other cells that could stand there and have another value."""

    @property
    def delta(self) -> float:
        """Ours less theirs."""
        return self.cell.value - self.published.value


@dataclass(frozen=True)
class Found:
    """What a run folder has for a table."""

    stand_ins: dict[int, StandIn]
    """By the number's place among the table's."""
    reports: pd.DataFrame
    """Those shown beside a number that images decide, with what signatures.mark_protocols adds."""
    unused: int
    """Cells that stand for no number."""


@dataclass(frozen=True)
class _Ours:
    """One of our cells: all reports that differ in their seed alone."""

    reports: pd.DataFrame
    axes: dict[str, str]
    twin: bool

    @property
    def real(self) -> str:
        """The dataset that it counts as."""
        return self.axes["dataset"].partition("@")[0].removeprefix(TWIN)

    def value(self, metric: str) -> float:
        """A published metric's equivalent, in that one's unit; NaN where there is none."""
        column, scale = COSTS.get(metric, (metric, 100.0))
        return scale * float(self.reports[column].mean()) if column in self.reports else math.nan


@dataclass(frozen=True)
class _Candidate:
    ours: int
    published: Published
    rank: tuple[bool, int, int, int]
    """The least is shown: on real images, measured most alike, named first, the newest."""
    value: float


def find_stand_ins(frame: pd.DataFrame, numbers: Sequence[Row]) -> Found:
    """Find a cell of ours for each number of one published table.

    frame is results.load's, with at least one row. A cell is all reports that differ in their seed
    alone; of two reports that agree in all axes the newer counts.
    """
    cells = _cells(frame)
    candidates = _candidates(cells, numbers)
    chosen = {place: min(found, key=lambda one: one.rank) for place, found in candidates.items()}
    shown = _marked(cells, sorted({one.ours for one in chosen.values()}))
    stand_ins = {
        place: StandIn(
            cell=_cell(shown[one.ours], numbers[place]["metric"], one.value),
            published=one.published,
            twin=cells[one.ours].twin and bool(numbers[place]["dataset"]),
            rivals=sum(other.value != one.value for other in candidates[place]),
        )
        for place, one in chosen.items()
    }
    measured = {one.ours for place, one in chosen.items() if numbers[place]["dataset"]}
    reports = [group for place, group in shown.items() if place in measured]
    used = {one.ours for found in candidates.values() for one in found}
    return Found(stand_ins, _together(reports, frame), len(cells) - len(used))


def _cells(frame: pd.DataFrame) -> list[_Ours]:
    """Our cells, the oldest first."""
    newest = frame.sort_values("finished", kind="stable").drop_duplicates(list(AXES), keep="last")
    axes = [axis for axis in AXES if axis != "seed"]
    groups = [group for _, group in newest.groupby(axes, sort=False, dropna=False)]
    groups.sort(key=lambda group: group["finished"].max())
    return [
        _Ours(
            reports=group,
            axes={axis: plain(group[axis].iloc[0]) for axis in axes},
            twin=any("twin" in marks for marks in group["marks"]),
        )
        for group in groups
    ]


def _candidates(cells: Sequence[_Ours], numbers: Sequence[Row]) -> dict[int, list[_Candidate]]:
    found: dict[int, list[_Candidate]] = {}
    for place, ours in enumerate(cells):
        for metric in dict.fromkeys(number["metric"] for number in numbers):
            for number, published in _beside(ours, metric, numbers):
                rank = (
                    ours.twin,
                    len(published.differences),
                    _alternative(ours, numbers[number]),
                    -place,
                )
                candidate = _Candidate(place, published, rank, ours.value(metric))
                found.setdefault(number, []).append(candidate)
    return found


def _beside(ours: _Ours, metric: str, numbers: Sequence[Row]) -> Iterator[tuple[int, Published]]:
    """Yield the place of each number that a cell is the equivalent of."""
    if math.isnan(ours.value(metric)):
        return
    for published in published_for(ours.reports, metric):
        if metric in COSTS and any(one.field == "resolution" for one in published.differences):
            continue  # a cost is the resolution's, on a twin too
        for place, number in enumerate(numbers):
            if number["metric"] == metric and _is_of(number, published, ours):
                yield place, published


def _is_of(number: Row, published: Published, ours: _Ours) -> bool:
    """Whether it is the number that was found beside a cell: a row's label may be there twice."""
    return (
        (number["table"], number["row"]) == (published.table, published.row)
        and number["dataset"] in ("", ours.real)
        and ours.axes["backbone"] in number["match.backbone"].split("|")
        and number["match.dims"] in ("", ours.axes["dims"])
    )


def _alternative(ours: _Ours, number: Row) -> int:
    """How far from the front a cell's axes are among the alternatives that a number allows."""
    places = 0
    for axis in ("backbone", "pooling", "loss"):
        known, value = number[f"match.{axis}"].split("|"), ours.axes[axis]
        places += known.index(value) if value in known else len(known) - 1
    return places


def _cell(reports: pd.DataFrame, metric: str, value: float) -> Cell:
    return Cell(value) if metric in COSTS else cell_of(reports, metric)


def _marked(cells: Sequence[_Ours], places: Sequence[int]) -> dict[int, pd.DataFrame]:
    """Compare the protocols of the cells that are shown, and of no others."""
    import pandas as pd

    if not places:
        return {}
    together = pd.concat([cells[place].reports.assign(place=place) for place in places])
    marked = mark_protocols(together).groupby("place", sort=False)
    return {place: marked.get_group(place) for place in places}


def _together(reports: Sequence[pd.DataFrame], frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(reports) if reports else frame.iloc[:0]
