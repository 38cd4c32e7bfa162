"""Design: the linear model of a matrix, and what its finished cells can tell apart.

A cell's metric is a mean, plus an effect of each of its values, plus effects of pairs of them.
Effects of an axis sum to 0 over its values (sum-to-zero contrasts); where an axis does not matter
to a cell it adds nothing. Least squares, so that cells may be missing.

Legend: C cells, p columns, r rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from results.analysis.axes import Axis
from results.outcomes import Doubles

RANK = 1e-9
"""Singular values below this share of the greatest are 0, effects further off unidentified."""
Term = tuple[int, ...]
"""Places of axes: of one for its effects, of two for their interaction."""


@dataclass(frozen=True, eq=False)
class Design:
    """The columns of a model, and their singular value decomposition."""

    columns: Doubles
    """(C, p), the first is the mean's."""
    spans: dict[Term, slice]
    """Of each term's columns."""
    left: Doubles
    """(C, r) left singular vectors by their singular values."""
    right: Doubles
    """(p, r) right singular vectors: what the cells tell of the p parameters."""

    @property
    def rank(self) -> int:
        """r."""
        return len(self.right.T)

    def weights(self, functional: Doubles) -> Doubles | None:
        """(C,) weights of the cells whose sum is the least-squares estimate of functional (p,).

        None where the cells do not identify it: other parameters would change it and no cell.
        """
        told = self.right.T @ functional
        if np.abs(self.right @ told - functional).max() > np.sqrt(RANK) * np.abs(functional).max():
            return None
        weights: Doubles = self.left @ told
        return weights

    def block(self, term: Term) -> Doubles:
        """(C, q) columns of a term."""
        return self.columns[:, self.spans[term]]

    def on(self, term: Term, values: Doubles) -> Doubles:
        """(p,) functional of one term's parameters."""
        functional = np.zeros(self.columns.shape[1])
        functional[self.spans[term]] = values
        return functional


def make_design(axes: Sequence[Axis], terms: Iterable[Term]) -> Design:
    """Build the model with a mean and the terms' effects."""
    blocks, spans, n_cells = [], {}, len(axes[0].places)
    place = 1
    for term in terms:
        block = _columns([axes[number] for number in term])
        spans[term] = slice(place, place + block.shape[1])
        place += block.shape[1]
        blocks.append(block)
    columns = np.hstack([np.ones((n_cells, 1)), *blocks])
    u, s, v = np.linalg.svd(columns, full_matrices=False)
    kept = s > RANK * s[0]
    return Design(columns, spans, u[:, kept] / s[kept], v[kept].T)


def main_terms(axes: Sequence[Axis]) -> list[Term]:
    """A term for each axis."""
    return [(number,) for number in range(len(axes))]


def pair_terms(axes: Sequence[Axis]) -> list[Term]:
    """A term for each pair of axes."""
    return list(combinations(range(len(axes)), 2))


def contrasts(axis: Axis) -> Doubles:
    """(values, values - 1) effect of each value in parameters: the last is less all others."""
    free = np.eye(len(axis.values) - 1)
    return np.vstack([free, -free.sum(axis=0)])


def tangled(design: Design) -> list[list[int]]:
    """Groups of axes whose effects the cells cannot tell apart, by their places.

    Two are tangled if parameters of both can change together while no cell does.
    """
    free = np.eye(len(design.right)) - design.right @ design.right.T
    terms = list(design.spans)
    groups: list[list[int]] = []
    for number, term in enumerate(terms):
        joined = [
            group
            for group in groups
            if any(_largest(free, design, term, terms[o]) > np.sqrt(RANK) for o in group)
        ]
        groups = [group for group in groups if group not in joined]
        groups.append(sorted([number, *(one for group in joined for one in group)]))
    return [group for group in groups if len(group) > 1]


def _largest(free: Doubles, design: Design, a: Term, b: Term) -> float:
    return float(np.abs(free[design.spans[a], design.spans[b]]).max())


def _columns(axes: Sequence[Axis]) -> Doubles:
    """(C, q) contrasts of one axis, or products of two axes' contrasts."""
    block = np.ones((len(axes[0].places), 1))
    for axis in axes:
        table = np.vstack([contrasts(axis), np.zeros(len(axis.values) - 1)])  # NOWHERE is the last
        found = table[axis.places]
        block = (block[:, :, None] * found[:, None, :]).reshape(len(block), -1)
    return block
