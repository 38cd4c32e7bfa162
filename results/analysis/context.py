"""Context: what is said under any table of some studies."""

from __future__ import annotations

from collections.abc import Sequence

from results import signatures
from results.analysis.study import Study
from results.names import by_title, metric_label
from results.notes import table_notes


def context_notes(studies: Sequence[Study]) -> list[str]:
    """What the cells share, marks of their datasets, and how they were measured."""
    import pandas as pd

    first = {study.title: study.frame for study in reversed(studies)}
    shown = pd.concat([first[title] for title in dict.fromkeys(study.title for study in studies)])
    varying = {name for study in studies for axis in study.axes for name in axis.names}
    return [
        *table_notes(shown, sorted(varying), ["dataset"]),
        *signatures.signature_notes(by_title(shown, ["dataset"])),
    ]


def metric_header(studies: Sequence[Study]) -> str:
    """The header of a column that holds the studies' metrics one below the other."""
    labels = {metric_label(study.metric) for study in studies}
    return labels.pop() if len(labels) == 1 else "metric, %"
