"""Losses: one row each; terms are added up: loss=contrastive(beta=0.3)+koleo(lambda=0.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from registry.calls import format_call, number, parse_call, split_outside, written
from registry.errors import UsageError
from registry.losses import (
    contrastive,
    contrastive_euclidean,
    contrastive_mean,
    koleo,
    recall_surrogate,
    snca,
)
from registry.losses.loss import Loss
from registry.losses.pml import PREFIX, known, pml_row
from registry.losses.pml_rows import PML_LOSSES
from registry.losses.space import Space
from registry.table import Table, unknown

if TYPE_CHECKING:
    from registry.losses.loss import LossFunction

__all__ = [
    "LOSSES",
    "Loss",
    "Term",
    "build_loss",
    "check_installed",
    "format_loss",
    "parse_loss",
]

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
            meaning="contrastive with cosine margin beta, summed over pairs / N (IRT_L)",
            source="paper, eq. 1",
            build=contrastive.build,
            parameters=(("beta", 0.5),),
            margin="beta",
        ),
        Loss(
            name="contrastive_mean",
            meaning="contrastive, mean over the pairs whose loss is not 0, positives and negatives",
            source="pytorch-metric-learning, ContrastiveLoss with cosines: no weight beside it is "
            "comparable with one beside eq. 1",
            build=contrastive_mean.build,
            parameters=(("pos_margin", 1.0), ("beta", 0.5)),
            margin="beta",
        ),
        Loss(
            name="contrastive_euclidean",
            meaning="contrastive on distances, squared, margin on the distance of negatives",
            source="cnnimageretrieval-pytorch, layers/functional.py",
            build=contrastive_euclidean.build,
            parameters=(("margin", 0.85),),
        ),
        Loss(
            name="snca",
            meaning="neighbourhood components over batch and memory, cosines / temperature",
            source="Wu et al. 2018, arXiv 1808.04699",
            build=snca.build,
            parameters=(("temperature", 0.05),),
        ),
        Loss(
            name="recall_surrogate",
            meaning="smooth Recall@K, K = 1, 2, 4 .. largest_k (RS@k)",
            source="Patel et al. 2022, arXiv 2108.11179",
            build=recall_surrogate.build,
            parameters=(("tau1", 1.0), ("tau2", 0.01), ("largest_k", 16.0)),
        ),
        *PML_LOSSES,
        Loss(
            name="koleo",
            meaning="lambda x differential entropy of the batch (+ contrastive: IRT_R)",
            source="paper, eq. 5",
            build=koleo.build,
            parameters=(("lambda", 0.7),),
            regulariser=True,
            uses_memory=False,
        ),
        Loss(
            name="koleo_memory",
            meaning="lambda x differential entropy of the batch among batch and memory",
            source="paper, eq. 5; which of the two, it does not say",
            build=koleo.build_with_memory,
            parameters=(("lambda", 0.7),),
            regulariser=True,
        ),
    ],
)


class Term(NamedTuple):
    """One summand of an objective, with all its parameters."""

    row: Loss
    parameters: dict[str, float]


def parse_loss(text: str) -> list[Term]:
    """Read terms joined by + into rows and parameters; none is a term of its own.

    In one order, however they are typed: a sum is one training. Regularisers come last.

    Raises UsageError for an unknown loss or parameter, a value that is no number, a sum that
    trains nothing.
    """
    terms = [_term(part, text) for part in split_outside(text, "+")]
    if len(terms) > 1 and any(term.row.build is None for term in terms):
        raise UsageError(f"loss {text!r}: none is no summand: it trains nothing")
    names = [term.row.name for term in terms]
    if len(set(names)) < len(names):
        raise UsageError(f"loss {text!r} names a term twice")
    if all(term.row.regulariser for term in terms):
        raise UsageError(
            f"loss {text!r}: {terms[0].row.name} is a regulariser: write contrastive+{text}"
        )
    return sorted(terms, key=lambda term: (term.row.regulariser, term.row.name))


def format_loss(terms: Sequence[Term]) -> str:
    """Write a loss as parse_loss reads it, defaults left out: the one text form of a loss."""
    return "+".join(_format(row, parameters) for row, parameters in terms)


def check_installed(text: str) -> None:
    """Raise UsageError where a term needs a package that is not installed."""
    for row, _ in parse_loss(text):
        if row.extra:
            known()


def build_loss(text: str, space: Space) -> dict[str, LossFunction]:
    """Build each term by its name; the objective is their sum."""
    return {
        row.name: row.build(parameters, space)
        for row, parameters in parse_loss(text)
        if row.build is not None
    }


def loss_row(name: str) -> Loss:
    """Return a row by its name, also of pml:NAME; raises UsageError for an unknown one."""
    return pml_row(name) if name.startswith(PREFIX) else LOSSES[name]


def _term(text: str, whole: str) -> Term:
    name, arguments = parse_call(text, "loss")
    row = loss_row(name)
    values = dict(row.parameters)
    for parameter, value in arguments.items():
        if parameter not in values:
            raise UsageError(unknown(f"parameter of loss {row.name}", parameter, values))
        values[parameter] = number(f"loss {whole!r}: {parameter}", value)
    return Term(row, values)


def _format(row: Loss, values: Mapping[str, float]) -> str:
    defaults = dict(row.parameters)
    changed = {name: written(value) for name, value in values.items() if value != defaults[name]}
    return format_call(row.name, changed)
