"""Cells: which of the finished cells a figure shows: its preset's, as far as there are any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.matrix import read_matrix
from registry.twin_presets import PREFIX
from results.names import AXES, plain

if TYPE_CHECKING:
    import pandas as pd

NATIVE = "native"
"""A number of dims that is the network's."""


def cells_of(preset: str, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep the reports of a preset's cells: of real datasets, or else of their twins.

    Axis by axis: where no report has a value of the preset's, as of a run with other networks, all
    stay, and a note names what they have instead. Of reports that agree in every axis, the newest.
    """
    newest = frame.sort_values("finished", kind="stable").drop_duplicates(
        subset=list(AXES), keep="last"
    )
    kept, notes = newest, []
    for axis, values in read_matrix([], preset=preset, exclude=[]).axes.items():
        if axis not in AXES or NATIVE in values:
            continue
        found = _with_values(kept, axis, values)
        if found.empty:
            others = ", ".join(dict.fromkeys(kept[axis].map(plain)))
            notes.append(f"not the preset's {axis} ({', '.join(values)}): {others}")
        else:
            kept = found
    return kept, notes


def _with_values(frame: pd.DataFrame, axis: str, values: Sequence[str]) -> pd.DataFrame:
    texts = frame[axis].map(plain)
    found = frame[texts.isin(values)]
    if found.empty and axis == "dataset":
        return frame[texts.isin([PREFIX + value for value in values])]
    return found
