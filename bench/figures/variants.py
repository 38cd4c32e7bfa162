"""Variants: the reports of a figure by what tells them apart; seeds of one cell are one variant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry.losses import parse_loss
from results.names import AXES, plain

Report = Mapping[str, Any]
FIRST = ("backbone", "dims", "loss")
"""Axes that labels begin with; others follow where these do not tell two reports apart."""


class Objective(NamedTuple):
    """The paper's objective: contrastive with margin beta, and lambda times KoLeo.

    contrastive and contrastive+koleo(lambda=0) are the same one.
    """

    beta: float
    strength: float
    """lambda."""


@dataclass(frozen=True)
class Variant:
    """Reports that differ in their seed alone, or in what a figure lays along its x-axis."""

    label: str
    reports: tuple[Report, ...]


Naming = Callable[[Objective], str]
"""What a figure calls the paper's objective, but for its margin."""


def by_strength(objective: Objective) -> str:
    """Name the weight of the regulariser."""
    return f"λ = {objective.strength:g}"


def by_method(objective: Objective) -> str:
    """Name the paper's method."""
    return f"IRT_R, λ = {objective.strength:g}" if objective.strength else "IRT_L"


def variants(
    reports: Iterable[Report],
    *,
    name: Naming = by_strength,
    untrained: str = "no training",
    beta_along: bool = False,
) -> list[Variant]:
    """Group reports; untrained ones come first, then by margin and lambda.

    beta_along: margins lie along the x-axis and tell no variants apart.
    """
    groups: dict[tuple[Any, ...], list[Report]] = {}
    for report in reports:
        groups.setdefault(tuple(_value(report, axis, beta_along) for axis in _AXES), []).append(
            report
        )
    ordered = sorted(groups, key=lambda values: [_rank(value) for value in values])
    named = [dict(zip(_AXES, values, strict=True)) for values in ordered]
    axes = _telling(named)
    margins = {values["loss"].beta for values in named if isinstance(values["loss"], Objective)}
    losses = [_loss(values["loss"], name, untrained, margin=len(margins) > 1) for values in named]
    return [
        Variant(_label(values, axes, loss), tuple(groups[key]))
        for values, loss, key in zip(named, losses, ordered, strict=True)
    ]


def objective_of(loss: str) -> Objective | None:
    """Read a loss as the paper's objective; None where it is another."""
    terms = {term.row.name: term.parameters for term in parse_loss(loss)}
    if not {"contrastive"} <= set(terms) <= {"contrastive", "koleo"}:
        return None
    return Objective(terms["contrastive"]["beta"], terms.get("koleo", {}).get("lambda", 0.0))


_AXES = (*FIRST, *(axis for axis in AXES if axis not in (*FIRST, "seed")))


def _value(report: Report, axis: str, beta_along: bool) -> Any:
    value = report["job"][axis]
    found = objective_of(value) if axis == "loss" else None
    if found is None:
        return value
    return found._replace(beta=0.0) if beta_along else found


def _telling(named: Sequence[Mapping[str, Any]]) -> list[str]:
    """Axes that tell variants apart; one that does not matter to a report (None) tells nothing."""
    found: list[str] = []
    for axis in _AXES:
        seen: dict[tuple[Any, ...], set[Any]] = {}
        for values in named:
            place = () if axis in FIRST else tuple(values[name] for name in found)
            seen.setdefault(place, set()).update({values[axis]} - {None})
        if any(len(values) > 1 for values in seen.values()):
            found.append(axis)
    return found


def _rank(value: Any) -> tuple[Any, ...]:
    """Numbers by their size, the paper's objectives by margin and lambda, other losses last."""
    if isinstance(value, Objective):
        return (1, *value, "")
    if isinstance(value, int):
        return (1, value, 0.0, "")
    known_first = value is None or value == "none"
    return (0 if known_first else 2, 0.0, 0.0, str(value))


def _label(values: Mapping[str, Any], axes: Sequence[str], loss: str) -> str:
    network = [plain(values[axis]) for axis in ("backbone", "dims") if axis in axes]
    others = [
        loss if axis == "loss" else f"{axis}={plain(values[axis])}"
        for axis in axes
        if axis not in ("backbone", "dims") and values[axis] is not None
    ]
    return ", ".join([*([" ".join(network)] if network else []), *others]) or loss


def _loss(loss: Objective | str, name: Naming, untrained: str, *, margin: bool) -> str:
    if isinstance(loss, Objective):
        return f"β = {loss.beta:g}, {name(loss)}" if margin else name(loss)
    return untrained if loss == "none" else loss
