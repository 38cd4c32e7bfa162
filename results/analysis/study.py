"""Study: the finished cells of one dataset by one metric, as analyses need them.

Legend: C cells, R reports (seeds of cells), S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from results import signatures
from results.analysis.axes import Axis, varying_axes
from results.names import AXES, SAME_AS, is_metric, metric_label, plain
from results.outcomes import Doubles, Places
from results.store import ResultsError, unknown

if TYPE_CHECKING:
    import pandas as pd

UNSHOWN = ("environment.", "counts.", "protocol.")
"""Beginnings of columns that a study's tables do not look at, cell by cell."""
WITHIN = tuple(axis for axis in AXES if axis not in ("dataset", "seed"))
"""Axes by which the cells of a dataset differ."""


@dataclass(frozen=True, eq=False)
class Study:
    """Cells of one dataset by one metric. All were measured under one protocol."""

    metric: str
    frame: pd.DataFrame
    """R rows of results.load."""
    cell_of: Places
    """(R,) number of each report's cell."""
    axes: tuple[Axis, ...]
    """Those that vary."""
    texts: Mapping[str, Sequence[str]]
    """(C,) values of each axis, as tables write them."""

    @property
    def title(self) -> str:
        """What headers call the dataset."""
        return str(self.frame["dataset_title"].iloc[0])

    @property
    def header(self) -> str:
        """SOP R@1."""
        return f"{self.title} {metric_label(self.metric)}"

    @property
    def n_cells(self) -> int:
        """C."""
        return int(self.cell_of.max()) + 1

    @cached_property
    def outcomes(self) -> Doubles:
        """(R,) the metric of each report, a fraction."""
        return self.frame[self.metric].to_numpy(np.float64)

    @cached_property
    def cell_values(self) -> Doubles:
        """(C,) the metric of each cell, of several seeds the mean: every cell counts alike."""
        return self.by_cell(self.outcomes)

    @cached_property
    def _places(self) -> list[Places]:
        order = np.argsort(self.cell_of, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.cell_of))[:-1])

    def by_cell(self, of_reports: Doubles) -> Doubles:
        """(C,) means over each cell's reports of something that they have (R,)."""
        return np.bincount(self.cell_of, of_reports) / np.bincount(self.cell_of)

    @cached_property
    def _shown(self) -> pd.DataFrame:
        return self.frame[[name for name in self.frame if not str(name).startswith(UNSHOWN)]]

    def rows(self, cell: int) -> Places:
        """Where a cell's reports are in the frame: its seeds."""
        return self._places[cell]

    def reports(self, cell: int) -> pd.DataFrame:
        """The reports of a cell, without what no table shows."""
        return self._shown.iloc[self.rows(cell)]

    def label(self, cell: int) -> str:
        """A cell in the words that tell it apart: deit_s cls 384."""
        return " ".join(self.texts[axis.names[0]][cell] for axis in self.axes)


def studies_of(frame: pd.DataFrame, metrics: Sequence[str] = ()) -> tuple[list[Study], list[str]]:
    """Split reports by dataset and metric, and say in notes what is left out.

    Metrics are those by which each dataset is quoted if none are asked for. Left out are reports
    of changed inputs and of another protocol than most of a dataset's. Raises ResultsError where
    there are none or a metric is unknown.
    """
    if frame.empty:
        raise ResultsError("there are no finished cells yet: bench run makes some")
    known = sorted(name for name in frame.columns if is_metric(name))
    for name in metrics:
        if name not in known:
            raise unknown("metric", name, known)
    frame, older = _newest(frame)
    frame, odd = _alike(frame)
    found = [
        _study(group[group[name].notna()], name)
        for _, group in frame.groupby("dataset", sort=False)
        for name in (metrics or group["headline"].iloc[0])
        if name in group and group[name].notna().any()
    ]
    return found, [*older, *odd]


def _newest(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Of reports that agree in every axis only the last is of today's images and weights."""
    ordered = frame.sort_values("finished", kind="stable")
    kept = ordered.drop_duplicates(subset=list(AXES), keep="last")
    older = len(frame) - len(kept)
    note = f"{older} older reports of the same cells are not counted: their inputs have changed"
    return kept, [note] if older else []


def _alike(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep the reports of each dataset's usual protocol: no effect is to be a protocol's."""
    marked = signatures.mark_protocols(frame)
    told = marked["odd_protocol"].map(signatures.untold)
    odd = told.map(len) > 0
    if not odd.any():
        return marked, []
    differences = [difference for found in told for difference in found]
    how = signatures.mixed_note(differences).removeprefix(f"{signatures.SIGN} ")
    return marked[~odd], [f"left out: {odd.sum()} reports {how}"]


def _study(group: pd.DataFrame, metric: str) -> Study:
    import pandas as pd

    group = group.reset_index(drop=True)
    levels = {axis: _texts(group, axis) for axis in WITHIN}
    keys = pd.Series(list(zip(*levels.values(), strict=True)), dtype=object)
    cell_of = keys.factorize()[0].astype(np.int64)
    first = np.unique(cell_of, return_index=True)[1]
    texts = {name: [column[row] for row in first] for name, column in levels.items()}
    own = {axis for axis, same in SAME_AS.items() if texts[axis] != texts[same]}
    axes = varying_axes(
        {
            name: [None if text == plain(None) else text for text in column]
            for name, column in texts.items()
            if name not in SAME_AS or name in own
        }
    )
    return Study(metric, group, cell_of, tuple(axes), texts)


def _texts(group: pd.DataFrame, axis: str) -> list[str]:
    column = group[axis].fillna(group[SAME_AS[axis]]) if axis in SAME_AS else group[axis]
    return [plain(value) for value in column]
