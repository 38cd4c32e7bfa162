"""Effects: what bench report --effects says of a matrix as a whole.

Which axis explains the variance, the effect of each value, and how values of two axes interact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from results.analysis import remarks
from results.analysis.context import context_notes
from results.analysis.effect_tables import main_table, pair_table
from results.analysis.estimates import Analysis, analyse, estimates
from results.analysis.largest import largest_of_pairs
from results.analysis.resampling import units_of
from results.analysis.study import Study, studies_of
from results.analysis.variance_table import variance_table
from results.store import ResultsError
from results.table import Table

if TYPE_CHECKING:
    import pandas as pd


def effects_tables(frame: pd.DataFrame, metrics: Sequence[str] = ()) -> list[Table]:
    """Explain the finished cells of each dataset by the axes in which they differ.

    Of datasets that are quoted by the same metrics three tables: shares of the variance, main
    effects, two-way interactions (where the cells identify any). Raises ResultsError where nothing
    varies.
    """
    studies, left_out = studies_of(frame, metrics)
    varied = [study for study in studies if study.axes]
    if not varied:
        cells = ", ".join(f"{study.header}: {study.n_cells}" for study in studies)
        raise ResultsError(
            f"no axis varies among the finished cells ({cells}), so nothing has an effect: bench "
            "run with several values of an axis"
        )
    left_out += remarks.unvaried(studies)
    return [
        table
        for group in _by_metrics(varied)
        for table in _tables([analyse(study) for study in group], left_out)
    ]


def _by_metrics(studies: Sequence[Study]) -> list[list[Study]]:
    """Datasets of the same metrics together: their columns stand side by side."""
    of_dataset: dict[str, list[Study]] = {}
    for study in studies:
        of_dataset.setdefault(study.title, []).append(study)
    groups: dict[tuple[str, ...], list[Study]] = {}
    for found in of_dataset.values():
        groups.setdefault(tuple(study.metric for study in found), []).extend(found)
    return list(groups.values())


def _tables(analyses: Sequence[Analysis], left_out: Sequence[str]) -> list[Table]:
    pairs = largest_of_pairs(analyses)
    found, without = [], []
    for analysis in analyses:
        units = units_of(analysis.study)
        without += [units] if isinstance(units, str) else []
        shown = [analysis.interactions[where] for where in pairs if where in analysis.interactions]
        found.append(estimates(analysis, [*analysis.effects.values(), *shown], units))
    context = [*left_out, *context_notes([analysis.study for analysis in analyses])]
    tables = [variance_table(analyses, context)]
    if not pairs:
        lacking = remarks.unidentified_pairs(analyses)
        return [*tables, main_table(analyses, found, [*without, *lacking])]
    tables.append(main_table(analyses, found, without))
    tables.append(pair_table(analyses, found, pairs, without))
    return tables
