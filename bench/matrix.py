"""Matrix: the words AXIS=V,V… of a command line -> axes -> cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.axes import AXES, axis_row, matches, split_items
from registry.errors import UsageError
from registry.presets import PRESETS
from registry.twin_presets import on_twins

Cell = Mapping[str, str]
"""Axis -> one canonical value, for the axes that were typed."""
Rule = Mapping[str, tuple[str, ...]]
"""Axis -> the items that it may be, all axes at once: what --exclude drops and --only keeps."""


@dataclass(frozen=True)
class Matrix:
    """Axes in the order typed, the first varying slowest, and rules that drop cells."""

    axes: Mapping[str, tuple[str, ...]]
    exclude: tuple[Rule, ...] = ()

    def cells(self) -> Iterator[dict[str, str]]:
        """Yield every combination of values, also those that exclude drops."""
        for values in itertools.product(*self.axes.values()):
            yield dict(zip(self.axes, values, strict=True))


def read_matrix(
    words: Sequence[str], *, preset: str | None, exclude: Sequence[str], twins: bool = False
) -> Matrix:
    """Read the words of a command line, over a preset's; raises UsageError.

    Without a preset and without words there is nothing to run. The dataset is the twins where
    none is named, and, with twins, where the preset names real ones.
    """
    axes: dict[str, tuple[str, ...]] = {}
    rules = list(exclude)
    if twins and preset is None:
        raise UsageError("--twins puts a --preset on twins: name one, or type dataset=twins")
    if preset is not None:
        row = on_twins(PRESETS[preset]) if twins else PRESETS[preset]
        axes.update(_axes(row.matrix))
        rules = [*row.exclude, *rules]
    axes.update(_axes(words))
    if not axes:
        raise UsageError(
            "nothing to run: give AXIS=VALUE, such as backbone=deit_s dims=128,384, "
            f"or --preset {' | '.join(PRESETS)}"
        )
    axes.setdefault("dataset", tuple(AXES["dataset"].read("twins")))
    if "backbone" not in axes:
        raise UsageError("no backbone: give backbone=NAME[,NAME…] (bench list backbone)")
    return Matrix(axes=axes, exclude=read_rules(rules, "--exclude"))


def excluded_by(cell: Cell, resolved: Mapping[str, object], matrix: Matrix) -> str | None:
    """Return the first rule of --exclude that the cell matches, as text."""
    return first_match(matrix.exclude, cell, resolved)


def first_match(rules: Iterable[Rule], cell: Cell, resolved: Mapping[str, object]) -> str | None:
    """Return the first rule all of whose axes match the cell, as text.

    A value matches as typed or as resolved: dims=384 drops dims=native of a network that wide,
    pooling=gem what has it by default.
    """
    for rule in rules:
        if all(
            any(
                matches(axis, item, str(value))
                for item in items
                for value in {cell.get(axis), resolved.get(axis)} - {None}
            )
            for axis, items in rule.items()
        ):
            return " ".join(f"{axis}={','.join(items)}" for axis, items in rule.items())
    return None


def _axes(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    axes: dict[str, tuple[str, ...]] = {}
    for word in words:
        axis, items = _word(word)
        if axis in axes:
            raise UsageError(f"axis {axis} is given twice: write {axis}=A,B once")
        values = [value for item in items for value in axis_row(axis).read(item)]
        axes[axis] = tuple(dict.fromkeys(values))
    return axes


def read_rules(texts: Iterable[str], option: str) -> tuple[Rule, ...]:
    """Read what was given to --exclude or --only, AXIS=V AXIS=V each; raises UsageError."""
    return tuple(_rule(text, option) for text in texts)


def _rule(text: str, option: str) -> Rule:
    rule = {axis: tuple(items) for axis, items in map(_word, text.split())}
    if not rule:
        raise UsageError(f'{option} is empty: write it as {option} "backbone=resnet50 dims=384"')
    for axis, items in rule.items():
        for item in items:
            axis_row(axis).read(item)
    return rule


def _word(word: str) -> tuple[str, list[str]]:
    axis, equals, text = word.partition("=")
    if not equals:
        raise UsageError(f"{word!r} is not AXIS=VALUE[,VALUE…] (axes: {', '.join(AXES)})")
    items = split_items(text)
    row = axis_row(axis)
    if not all(items):
        raise UsageError(f"{word!r} has an empty value: write {row.name}=A,B")
    return row.name, items
