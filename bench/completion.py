"""Shell completion of axes and values: backbone=deit_s,res<TAB> -> backbone=deit_s,resnet50."""

from __future__ import annotations

import os

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class


def axis_words(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete AXIS= and then its values, after the last comma."""
    from registry.axes import AXES, FIELD, SHORT, axis_row
    from registry.recipes import FIELDS

    axis, equals, typed = incomplete.partition("=")
    fields = [FIELD + field for field in FIELDS]
    if not equals:
        names = fields if axis.startswith(FIELD) else [*AXES, *SHORT]
        return [CompletionItem(f"{name}=") for name in names if name.startswith(axis)]
    if axis not in (*AXES, *SHORT, *fields):
        return []
    before, comma, last = typed.rpartition(",")
    given = before.split(",")
    return [
        CompletionItem(f"{axis}={before}{comma}{value}")
        for value in axis_row(axis).known
        if value.startswith(last) and value not in given
    ]


def presets(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a preset."""
    from registry.presets import PRESETS

    return [
        CompletionItem(row.name, help=row.meaning)
        for row in PRESETS.values()
        if row.name.startswith(incomplete)
    ]


def axes(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of an axis."""
    from registry.axes import AXES

    return [CompletionItem(name) for name in AXES if name.startswith(incomplete)]


def trackers(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a tracker."""
    from bench.tracking import TRACKERS

    return [
        CompletionItem(row.name, help=row.meaning)
        for row in TRACKERS.values()
        if row.name.startswith(incomplete)
    ]


def datasets(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a real dataset."""
    from registry.datasets.real import REAL

    return [CompletionItem(name) for name in REAL if name.startswith(incomplete)]


NO_SPACE = "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n\n    return 0"
"""After 'dims=' the value follows at once."""


class EqualsBash(BashComplete):
    """Bash breaks words at '=': glue axis, '=' and value, and answer with what follows '='."""

    source_template = BashComplete.source_template.replace("    return 0", NO_SPACE)

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the finished words and the one under the cursor, glued."""
        words = os.environ["COMP_WORDS"].split("\n")
        words = words if len(words) > 1 else os.environ["COMP_WORDS"].split()
        place = int(os.environ["COMP_CWORD"])
        glued: list[str] = []
        for word in words[1 : place + 1]:
            joins = glued and (word == "=" or glued[-1].endswith("="))
            if joins and "=" not in glued[-1].rstrip("="):
                glued[-1] += word
            else:
                glued.append(word)
        typed_all = place < len(words)
        incomplete = glued.pop() if glued and typed_all else ""
        return glued, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Leave out what bash already holds: everything up to the '='."""
        _, equals, value = item.value.partition("=")
        return f"{item.type},{value if equals and value else item.value}"


add_completion_class(EqualsBash)
