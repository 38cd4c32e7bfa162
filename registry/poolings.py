"""Poolings: the final tokens or feature map of a backbone -> one vector per image.

Legend: B images, P prefix tokens (CLS, DIST), N patch tokens or map positions, C channels.
To add a pooling: write its function here and give it a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.table import Table

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How the (B, P, C) prefix tokens and (B, N, C) positions become (B, C)."""

    name: str
    meaning: str
    build: Callable[[], Callable[[Tensor, Tensor], Tensor]]
    """Returns pool(prefix, positions): a function, or an nn.Module where parameters are learned."""
    needs: tuple[str, ...] = ()
    """Prefix tokens that it reads, in this order, at the front."""
    learned: bool = False
    """Whether it has parameters that training moves."""
    version: int = 1


def cls(prefix: Tensor, positions: Tensor) -> Tensor:
    """Return the class token: the paper's descriptor, for distilled DeiT too (section 3.2)."""
    return prefix[:, 0]


def cls_dist(prefix: Tensor, positions: Tensor) -> Tensor:
    """Average CLS and DIST: what timm returns for a distilled DeiT without its classifier."""
    return (prefix[:, 0] + prefix[:, 1]) / 2


def avg(prefix: Tensor, positions: Tensor) -> Tensor:
    """Average the positions; prefix tokens are left out."""
    return positions.mean(dim=1)


def maximum(prefix: Tensor, positions: Tensor) -> Tensor:
    """Take the maximum over the positions (MAC; Tolias et al. 2016, arXiv 1511.05879)."""
    return positions.amax(dim=1)


def generalised_mean(positions: Tensor, p: float | Tensor) -> Tensor:
    """(mean of x^p)^(1/p), x clamped from below to 1e-6: (B, N, C) -> (B, C).

    Radenovic et al. 2018, arXiv 1711.02512, eq. 3; the clamp is cirtorch's.
    """
    return positions.clamp(min=1e-6).pow(p).mean(dim=1).pow(1.0 / p)


def gem(prefix: Tensor, positions: Tensor) -> Tensor:
    """Generalised mean with p fixed at 3."""
    return generalised_mean(positions, 3.0)


def learned_gem() -> nn.Module:
    """Generalised mean whose p, shared by all channels, starts at 3 and is learned."""
    import torch
    from torch import nn

    class LearnedGeM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(torch.tensor(3.0))

        def forward(self, prefix: Tensor, positions: Tensor) -> Tensor:
            return generalised_mean(positions, self.p)

    return LearnedGeM()


POOLINGS: Table[Pooling] = Table(
    "pooling",
    [
        Pooling(name="cls", meaning="the class token", build=lambda: cls, needs=("cls",)),
        Pooling(
            name="cls+dist",
            meaning="mean of the class and the distillation token (timm's choice)",
            build=lambda: cls_dist,
            needs=("cls", "dist"),
        ),
        Pooling(name="avg", meaning="mean over positions", build=lambda: avg),
        Pooling(name="max", meaning="maximum over positions (MAC)", build=lambda: maximum),
        Pooling(name="gem", meaning="generalised mean, p = 3", build=lambda: gem),
        Pooling(
            name="gem_learned",
            meaning="generalised mean, p learned from 3",
            build=learned_gem,
            learned=True,
        ),
    ],
)
