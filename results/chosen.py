"""Chosen: the reports that a person means by a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from results.names import AXES, is_metric, plain
from results.store import ResultsError, unknown

if TYPE_CHECKING:
    import pandas as pd

MOST_SHOWN = 8


def read_words(text: str, option: str) -> dict[str, str]:
    """Read "axis=value axis=value"; raises ResultsError for what is no axis."""
    found: dict[str, str] = {}
    for word in text.split():
        axis, equals, value = word.partition("=")
        if not equals or not value:
            raise ResultsError(f'{option} "{text}": {word!r} is no AXIS=VALUE')
        if axis not in AXES:
            raise unknown("axis", axis, AXES)
        if found.get(axis, value) != value:
            raise ResultsError(f'{option} "{text}": {axis} cannot be {found[axis]} and {value}')
        found[axis] = value
    return found


def check_finished(frame: pd.DataFrame) -> None:
    """Raise ResultsError where there is no report at all."""
    if frame.empty:
        raise ResultsError("there are no finished cells yet: bench run makes some")


def check_metrics(frame: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Raise ResultsError for a metric that no report has."""
    known = sorted({name for name in frame.columns if is_metric(name)})
    for name in metrics:
        if name not in known:
            raise unknown("metric", name, known)


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the last report of each combination of axes: others are of changed images or weights.

    Reports that agree in every axis are no seeds, so they are not to be averaged.
    """
    return frame.sort_values("finished", kind="stable").drop_duplicates(list(AXES), keep="last")


def chosen(frame: pd.DataFrame, text: str, option: str) -> pd.DataFrame:
    """Return the reports that "axis=value …", or a key or its beginning, stands for.

    Raises ResultsError where there are none, naming what is known of the axis that none has.
    """
    if "=" not in text:
        found = frame[frame["key"].str.startswith(text)] if text else frame[:0]
        if found.empty:
            raise ResultsError(
                f"{option} {text!r} begins the key of no finished cell: give AXIS=VALUE words, or "
                "a key (bench status shows them)"
            )
        return found
    found = frame
    for axis, value in read_words(text, option).items():
        values = found[axis].map(plain)
        known = ", ".join(dict.fromkeys(values))
        found = found[values == value]
        if found.empty:
            raise ResultsError(f'{option} "{text}": no finished cell has {axis}={value} ({known})')
    return found


def check_one_cell(reports: pd.DataFrame, option: str, text: str) -> None:
    """Raise ResultsError unless reports of one dataset differ in their seed alone."""
    for axis in AXES:
        if axis != "seed" and reports[axis].nunique(dropna=False) > 1:
            values = ", ".join(dict.fromkeys(plain(value) for value in reports[axis]))
            raise ResultsError(
                f'{option} "{text}" is {len(reports)} cells of {reports["dataset"].iloc[0]}: they '
                f"differ in {axis} ({values}); add {axis}=…"
            )
