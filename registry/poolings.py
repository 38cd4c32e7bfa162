"""Poolings: the final tokens or feature map of a backbone -> one vector per image.

Legend: B images, P prefix tokens (CLS, DIST), H x W = N patch tokens or map positions, C channels.
To add a pooling: write its function here and give it a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from registry.errors import WorkError
from registry.table import Table

if TYPE_CHECKING:
    from torch import Tensor, nn


OVERLAP = Fraction(2, 5)
"""Of neighbouring regions of R-MAC, about."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """What a backbone ends with: tokens of the whole image, and one for each position."""

    prefix: Tensor
    """(B, P, C)."""
    positions: Tensor
    """(B, N, C), row by row."""
    rows: int
    """H."""

    @property
    def grid(self) -> Tensor:
        """(B, H, W, C) positions where they are in the image; raises WorkError if they are not."""
        count = self.positions.shape[1]
        if not self.rows or count % self.rows:
            raise WorkError(
                f"the backbone's {count} positions are no grid over the image: take a pooling that "
                "needs none (bench list pooling)"
            )
        images, _, channels = self.positions.shape
        return self.positions.view(images, self.rows, -1, channels)


Pool = Callable[[Tokens], "Tensor"]
"""Tokens of B images -> (B, C)."""


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How a backbone's tokens become one vector per image."""

    name: str
    meaning: str
    build: Callable[[], Pool]
    """Returns the pool: a function, or an nn.Module where parameters are learned."""
    needs: tuple[str, ...] = ()
    """Prefix tokens that it reads, in this order, at the front."""
    learned: bool = False
    """Whether it has parameters that training moves."""
    version: int = 1


def cls(tokens: Tokens) -> Tensor:
    """Return the class token: the paper's descriptor, for distilled DeiT too (section 3.2)."""
    return tokens.prefix[:, 0]


def cls_dist(tokens: Tokens) -> Tensor:
    """Average CLS and DIST: what timm returns for a distilled DeiT without its classifier."""
    return (tokens.prefix[:, 0] + tokens.prefix[:, 1]) / 2


def avg(tokens: Tokens) -> Tensor:
    """Average the positions; prefix tokens are left out."""
    return tokens.positions.mean(dim=1)


def maximum(tokens: Tokens) -> Tensor:
    """Take the maximum over the positions (MAC; Tolias et al. 2016, arXiv 1511.05879)."""
    return tokens.positions.amax(dim=1)


def generalised_mean(positions: Tensor, p: float | Tensor) -> Tensor:
    """(mean of x^p)^(1/p), x clamped from below to 1e-6: (B, N, C) -> (B, C).

    Radenovic et al. 2018, arXiv 1711.02512, eq. 3; the clamp is cirtorch's.
    """
    return positions.clamp(min=1e-6).pow(p).mean(dim=1).pow(1.0 / p)


def gem(tokens: Tokens) -> Tensor:
    """Generalised mean with p fixed at 3."""
    return generalised_mean(tokens.positions, 3.0)


def learned_gem() -> nn.Module:
    """Generalised mean whose p, shared by all channels, starts at 3 and is learned."""
    import torch
    from torch import nn

    class LearnedGeM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(torch.tensor(3.0))

        def forward(self, tokens: Tokens) -> Tensor:
            return generalised_mean(tokens.positions, self.p)

    return LearnedGeM()


def rmac(tokens: Tokens) -> Tensor:
    """Sum the l2-normalised maxima of the whole map and of squares at three scales (R-MAC).

    Tolias et al. 2016, arXiv 1511.05879, section 3.2, with cirtorch's regions: the whole map
    counts as one more of them. Regions are not whitened before the sum.
    """
    import torch

    grid = tokens.grid.contiguous()
    height, width = grid.shape[1:3]
    regions = Counter([(0, height, 0, width), *squares(height, width)])  # some are there twice
    rows = {(top, bottom): grid[:, top:bottom].amax(dim=1) for top, bottom, _, _ in regions}
    maxima = torch.stack(
        [rows[top, bottom][:, left:right].amax(dim=1) for top, bottom, left, right in regions],
        dim=1,
    )
    units = maxima / (maxima.norm(dim=2, keepdim=True) + 1e-6)
    counts = torch.tensor(list(regions.values()), dtype=units.dtype, device=units.device)
    summed: Tensor = (units * counts[:, None]).sum(dim=1)
    return summed


def squares(height: int, width: int, scales: int = 3) -> Iterator[tuple[int, int, int, int]]:
    """Yield R-MAC's squares: top, bottom, left, right, the last of each pair excluded.

    At scale l = 1, 2, 3 their side is 2 min(H, W) / (l + 1), and l of them lie evenly along the
    shorter side, l + m along the longer, where m (0 of a square map, else 1 to 6) brings the
    overlap of neighbours at l = 1 nearest to 40 %. In whole numbers: cirtorch's float32 lays
    some maps out otherwise whose longer side is over 2.4 times the shorter.
    """
    short, long = sorted((height, width))
    steps = {n: Fraction(long - short, n * short) for n in range(1, 7)}
    more = 0 if short == long else min(steps, key=lambda n: abs(1 - steps[n] - OVERLAP))
    for scale in range(1, scales + 1):
        side = 2 * short // (scale + 1)
        if not side:
            continue
        for top in _starts(height, side, scale + more * (height > width)):
            for left in _starts(width, side, scale + more * (width > height)):
                yield top, top + side, left, left + side


def _starts(length: int, side: int, number: int) -> list[int]:
    """Where a number of segments begin that are spread evenly, rounded down."""
    return [place * (length - side) // max(1, number - 1) for place in range(number)]


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
        Pooling(
            name="rmac",
            meaning="sum of the l2-normalised maxima of regions at three scales (R-MAC)",
            build=lambda: rmac,
        ),
    ],
)
