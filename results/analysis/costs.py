"""Costs: by what a cell is judged beside its metric, as typed, as stored, as shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.grouping import COSTS, SCALES, TITLES
from results.names import AXES, is_metric
from results.store import unknown

if TYPE_CHECKING:
    import pandas as pd

NO_COSTS = ("dims_measured", "steps", "selected_step")
"""Numbers of reports that are none: dims, an axis, is the same; trainings say how they went."""


@dataclass(frozen=True)
class Cost:
    """A number of each report of which less is better."""

    column: str
    title: str
    scale: float
    """From the stored unit to that of the title."""

    def text(self, value: float) -> str:
        """As tables show it, in the title's unit."""
        return f"{value:.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"


def find_cost(frame: pd.DataFrame, typed: str) -> Cost:
    """Return the cost that is meant: gmacs, params, bytes, dims, or the beginning of a column.

    Raises ResultsError with the known ones.
    """
    known = {**COSTS, "dims": "dims", **{name: name for name in _other_costs(frame)}}
    if typed in COSTS.values():
        typed = next(name for name, column in COSTS.items() if column == typed)
    longer = [name for name in known if name.startswith(f"{typed}_")]
    name = longer[0] if typed not in known and len(longer) == 1 else typed
    if name not in known:
        raise unknown("cost", typed, list(known))
    return Cost(known[name], TITLES.get(name, name), SCALES.get(name, 1.0))


def _other_costs(frame: pd.DataFrame) -> list[str]:
    """Numbers of the reports' cost section that have no short name: latency, once measured."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return [
        str(name)
        for name in frame.columns
        if is_numeric_dtype(frame[name])
        and not is_bool_dtype(frame[name])
        and not is_metric(name)
        and not {"@", "."} & set(name)
        and name not in (*AXES, *COSTS.values(), *NO_COSTS)
    ]
