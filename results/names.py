"""Names: of axes, metrics and values, as tables and their notes write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

AXES = (
    "dataset",
    "train",
    "backbone",
    "weights",
    "pooling",
    "loss",
    "recipe",
    "resolution",
    "test_resolution",
    "transform",
    "crop",
    "dims",
    "projection",
    "seed",
)
"""Of reports: a copy of the registry's names, which may not be imported here."""
SAME_AS = {"test_resolution": "resolution"}
"""An axis that has the value of another where it has none of its own."""
SHORT = {"map_easy": "E", "map_medium": "M", "map_hard": "H"}
LABELS = {
    **SHORT,
    "map": "mAP",
    "mrr": "MRR",
    "r-precision": "R-Prec",
    "validation_r@1": "val R@1",
}


def is_metric(name: str) -> bool:
    """Whether a report's column is a metric: all of those are fractions."""
    return name in LABELS or name.startswith(("r@", "map@", "map_", "mp@"))


def metric_label(name: str) -> str:
    """r@1 -> R@1, map_hard -> H, mp@10_hard -> mP@10 H."""
    if name in LABELS:
        return LABELS[name]
    head, _, setup = name.partition("_")
    head = head.replace("map@r", "MAP@R").replace("r@", "R@").replace("mp@", "mP@")
    return f"{head} {SHORT['map_' + setup]}" if setup else head


def plain(value: Any) -> str:
    """An axis' value as text, where NaN and None are those of an axis that does not matter."""
    if value is None or value != value:
        return "-"
    return str(int(value)) if isinstance(value, float) else str(value)


def title_of(group: pd.DataFrame, axis: str) -> str:
    """What headers call the one value that an axis takes in a group."""
    value = group["dataset_title" if axis == "dataset" else axis].iloc[0]
    return str(value) if axis == "dataset" else f"{axis}={plain(value)}"


def told_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Give datasets that share a title their names as titles: folders end alike, a/test, b/test."""
    sharing = frame.groupby("dataset_title")["dataset"].transform("nunique")
    return frame.assign(dataset_title=frame["dataset_title"].where(sharing == 1, frame["dataset"]))


def by_title(frame: pd.DataFrame, cols: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """The reports under each combination of column axes, by what headers call it."""
    groups = frame.groupby(list(cols), sort=False, dropna=False)
    return [(" ".join(title_of(group, axis) for axis in cols), group) for _, group in groups]
