"""Effects: what a value of an axis, or a pair of values, adds to a metric.

Each is a sum of cells with weights, whatever cells are missing: so is its outcome on each query,
from which its interval comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from results.analysis.axes import Axis
from results.analysis.design import Design, Term, contrasts, main_terms, pair_terms
from results.outcomes import Doubles

Where = tuple[tuple[str, str], ...]
"""Axis and value; two of them for an interaction."""


@dataclass(frozen=True, eq=False)
class Effect:
    """A linear function of the cells' means."""

    where: Where
    weights: Doubles
    """(C,)"""


def main_effects(axes: Sequence[Axis], design: Design) -> list[Effect]:
    """Effect of each value against the mean over its axis' values; no unidentified ones."""
    return [
        Effect(((axis.name, value),), weights)
        for axis, term in zip(axes, main_terms(axes), strict=True)
        for value, row in zip(axis.values, contrasts(axis), strict=True)
        if (weights := design.weights(design.on(term, row))) is not None
    ]


def interactions(axes: Sequence[Axis], design: Design) -> list[Effect]:
    """What each pair of values adds to the effects of both; no unidentified ones.

    It sums to 0 over either axis. Where combinations of values are missing, the values that miss
    most are left out until none is missing.
    """
    return [effect for term in pair_terms(axes) for effect in _of_pair(axes, term, design)]


def _of_pair(axes: Sequence[Axis], term: Term, design: Design) -> list[Effect]:
    a, b = (axes[number] for number in term)
    rows, columns = crossed(_observed(a, b))
    if len(rows) < 2 or len(columns) < 2:
        return []
    alpha, beta = (_centred(contrasts(a)[rows]), _centred(contrasts(b)[columns]))
    return [
        Effect(((a.name, a.values[rows[i]]), (b.name, b.values[columns[j]])), weights)
        for i in range(len(rows))
        for j in range(len(columns))
        if (weights := design.weights(design.on(term, np.kron(alpha[i], beta[j])))) is not None
    ]


def crossed(observed: npt.NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """Rows and columns of a part of a table in which nothing is missing, found greedily."""
    rows, columns = list(range(observed.shape[0])), list(range(observed.shape[1]))
    while rows and columns and not observed[np.ix_(rows, columns)].all():
        part = ~observed[np.ix_(rows, columns)]
        missed = part.mean(axis=1), part.mean(axis=0)
        if missed[0].max() >= missed[1].max():
            del rows[int(missed[0].argmax())]
        else:
            del columns[int(missed[1].argmax())]
    return rows, columns


def _observed(a: Axis, b: Axis) -> npt.NDArray[np.bool_]:
    table = np.zeros((len(a.values), len(b.values)), dtype=np.bool_)
    both = (a.places >= 0) & (b.places >= 0)
    table[a.places[both], b.places[both]] = True
    return table


def _centred(rows: Doubles) -> Doubles:
    centred: Doubles = rows - rows.mean(axis=0)
    return centred
