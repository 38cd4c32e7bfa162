"""Presets on twins: the same matrix where nothing has to be downloaded."""

from __future__ import annotations

from dataclasses import replace

from registry.axes import AXES, split_items
from registry.datasets import dataset_row
from registry.datasets.twins import DEFAULTS
from registry.preset import Preset

PREFIX = "twin-"
SETTING = (*(axis for axis in DEFAULTS if axis != "loss"), "test_resolution")
"""Axes in which twins have values of their own; the rest is what a preset compares."""


def on_twins(row: Preset) -> Preset:
    """Return a preset with the twins of its datasets, and with their own SETTING.

    One whose datasets are twins already is returned as it is. A rule on an axis of SETTING is left
    out: it says which of that axis' values go together, and there is one value now. Raises
    UsageError for a dataset without a twin.
    """
    axes = dict(word.split("=", 1) for word in row.matrix)
    if "dataset" not in axes or all(dataset_row(name).is_twin for name in _names(axes["dataset"])):
        return row
    axes.setdefault("loss", "none")
    kept = [f"{axis}={text}" for axis, text in axes.items() if axis not in SETTING]
    rules = [text.split() for text in row.exclude]
    return replace(
        row,
        matrix=tuple(map(_twinned, kept)),
        exclude=tuple(
            " ".join(map(_twinned, rule))
            for rule in rules
            if not any(word.partition("=")[0] in SETTING for word in rule)
        ),
    )


def _twinned(word: str) -> str:
    axis, _, text = word.partition("=")
    if axis != "dataset":
        return word
    return f"{axis}={','.join(map(_twin, _names(text)))}"


def _names(text: str) -> list[str]:
    return [name for item in split_items(text) for name in AXES["dataset"].read(item)]


def _twin(name: str) -> str:
    """Name a dataset's twin, or the same part of it."""
    return name if dataset_row(name).is_twin else dataset_row(PREFIX + name).name
