"""Losses: one row each; parameters are written loss=contrastive(beta=0.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.errors import UsageError
from registry.losses import contrastive, koleo
from registry.table import Table, unknown

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.labelled import Labelled

    LossFunction = Callable[[Labelled, Labelled | None], Tensor]
    """loss(batch, memory) -> scalar; memory is None until it has started."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """An objective over a batch and, where there is one, a cross-batch memory."""

    name: str
    meaning: str
    source: str
    build: Callable[[Mapping[str, float]], LossFunction] | None
    """Parameters -> function; None trains nothing."""
    parameters: tuple[tuple[str, float], ...] = ()
    """Names and default values."""
    version: int = 1


LOSSES: Table[Loss] = Table(
    "loss",
    [
        Loss(
            name="none",
            meaning="off-the-shelf features, no training (IRT_O)",
            source="paper, section 3.1",
            build=None,
        ),
        Loss(
            name="contrastive",
            meaning="contrastive with cosine margin beta (IRT_L)",
            source="paper, eq. 1",
            build=contrastive.build,
            parameters=(("beta", 0.5),),
        ),
        Loss(
            name="contrastive+koleo",
            meaning="contrastive + lambda x differential entropy (IRT_R)",
            source="paper, eq. 1 and 5",
            build=koleo.build_with_contrastive,
            parameters=(("beta", 0.5), ("lambda", 0.7)),
        ),
    ],
)

_CALL = re.compile(r"(?P<name>[^()]+)(\((?P<arguments>[^()]*)\))?")


def parse_loss(text: str) -> tuple[Loss, dict[str, float]]:
    """Read name(parameter=value,...) into a row and all its parameters.

    Raises UsageError for an unknown loss, an unknown parameter or a value that is no number.
    """
    match = _CALL.fullmatch(text)
    if match is None:
        raise UsageError(f"loss {text!r} is not of the form name(parameter=value,...)")
    row = LOSSES[match["name"]]
    values = dict(row.parameters)
    for word in filter(None, (match["arguments"] or "").split(",")):
        parameter, _, value = word.partition("=")
        if parameter not in values:
            raise UsageError(unknown(f"parameter of loss {row.name}", parameter, values))
        values[parameter] = _number(text, parameter, value)
    return row, values


def format_loss(row: Loss, values: Mapping[str, float]) -> str:
    """Write a loss as parse_loss reads it, defaults left out: the one text form of a loss."""
    defaults = dict(row.parameters)
    changed = [f"{name}={value:g}" for name, value in values.items() if value != defaults[name]]
    return f"{row.name}({','.join(changed)})" if changed else row.name


def _number(text: str, parameter: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf"):
        raise UsageError(f"loss {text!r}: {parameter} must be a number, not {value!r}")
    return number
