"""Stand-ins: which of our finished cells stands for which number of a published table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.cells import Cell, cell_of
from results.names import AXES, plain
from results.published import Published, published_for
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
class _Candidate:
    group: int
    published: Published
    rank: tuple[bool, int, int, int]
    """The least is shown: on real images, measured most alike, named first, the newest."""
    value: float


def find_stand_ins(frame: pd.DataFrame, numbers: Sequence[Row]) -> Found:
    """Find a cell of ours for each number of one published table.

    frame is results.load's, with at least one row. A cell is all reports that differ in their seed
    alone; of two reports that agree in all axes the newer counts.
    """
    newest = frame.sort_values("finished", kind="stable").drop_duplicates(list(AXES), keep="last")
    axes = [axis for axis in AXES if axis != "seed"]
    groups = [group for _, group in newest.groupby(axes, sort=False, dropna=False)]
    groups.sort(key=lambda group: group["finished"].max())
    candidates = _candidates(groups, numbers)
    chosen = {place: min(found, key=lambda one: one.rank) for place, found in candidates.items()}
    shown = _marked(groups, sorted({one.group for one in chosen.values()}))
    measured = {one.group for place, one in chosen.items() if numbers[place]["dataset"]}
    stand_ins = {
        place: StandIn(
            cell=_cell(shown[one.group], numbers[place]["metric"]),
            published=one.published,
            twin=_is_twin(shown[one.group]) and bool(numbers[place]["dataset"]),
            rivals=sum(other.value != one.value for other in candidates[place]),
        )
        for place, one in chosen.items()
    }
    used = {one.group for found in candidates.values() for one in found}
    reports = [group for place, group in shown.items() if place in measured]
    return Found(stand_ins, _together(reports, newest), len(groups) - len(used))


def _candidates(
    groups: Sequence[pd.DataFrame], numbers: Sequence[Row]
) -> dict[int, list[_Candidate]]:
    found: dict[int, list[_Candidate]] = {}
    for place, group in enumerate(groups):
        for metric in dict.fromkeys(number["metric"] for number in numbers):
            for number, published in _beside(group, metric, numbers):
                rank = (
                    _is_twin(group),
                    len(published.differences),
                    _alternative(group, numbers[number]),
                    -place,
                )
                value = _value(group, metric)
                found.setdefault(number, []).append(_Candidate(place, published, rank, value))
    return found


def _beside(
    group: pd.DataFrame, metric: str, numbers: Sequence[Row]
) -> Iterator[tuple[int, Published]]:
    """Yield the place of each number that a cell is the equivalent of."""
    column, _ = COSTS.get(metric, (metric, 1.0))
    if column not in group or group[column].isna().all():
        return
    for published in published_for(group, metric):
        if metric in COSTS and any(one.field == "resolution" for one in published.differences):
            continue  # a cost is the resolution's, on a twin too
        for place, number in enumerate(numbers):
            if number["metric"] == metric and _is_of(number, published, group):
                yield place, published


def _is_of(number: Row, published: Published, group: pd.DataFrame) -> bool:
    """Whether it is the number that was found beside a cell: a row's label may be there twice."""
    first = group.iloc[0]
    real = str(first["dataset"]).partition("@")[0].removeprefix("twin-")
    return (
        (number["table"], number["row"]) == (published.table, published.row)
        and number["dataset"] in ("", real)
        and str(first["backbone"]) in number["match.backbone"].split("|")
        and number["match.dims"] in ("", plain(first["dims"]))
    )


def _alternative(group: pd.DataFrame, number: Row) -> int:
    """How far from the front a cell's axes are among the alternatives that a number allows."""
    first = group.iloc[0]
    places = 0
    for axis in ("backbone", "pooling", "loss"):
        known = number[f"match.{axis}"].split("|")
        value = plain(first[axis])
        places += known.index(value) if value in known else len(known) - 1
    return places


def _is_twin(group: pd.DataFrame) -> bool:
    return any("twin" in marks for marks in group["marks"])


def _value(group: pd.DataFrame, metric: str) -> float:
    column, scale = COSTS.get(metric, (metric, 100.0))
    return scale * float(group[column].mean())


def _cell(group: pd.DataFrame, metric: str) -> Cell:
    return Cell(_value(group, metric)) if metric in COSTS else cell_of(group, metric)


def _marked(groups: Sequence[pd.DataFrame], places: Sequence[int]) -> dict[int, pd.DataFrame]:
    """Compare the protocols of the cells that are shown, and of no others."""
    import pandas as pd

    if not places:
        return {}
    together = pd.concat([groups[place].assign(place=place) for place in places])
    marked = mark_protocols(together).groupby("place", sort=False)
    return {place: marked.get_group(place) for place in places}


def _together(reports: Sequence[pd.DataFrame], newest: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(reports) if reports else newest.iloc[:0]
