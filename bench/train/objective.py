"""Objective: what a training lowers, a sum of losses on descriptors or on nested parts of them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from registry.losses import build_loss, parse_loss
from registry.losses.labelled import Labelled
from registry.losses.space import Space

SMALLEST = 16
"""Dims of the smallest nested part."""


class Objective(nn.Module):
    """The terms of a loss, with what they learn themselves.

    Nested, each is the mean over the first D, D/2, D/4 ... 16 numbers, normalised anew (Matryoshka,
    Kusupati et al. 2022, arXiv 2205.13147, with equal weights).
    """

    def __init__(self, loss: str, space: Space, *, nested: bool) -> None:
        super().__init__()
        self.terms = {
            dims: build_loss(loss, Space(space.classes, dims))
            for dims in (nested_sizes(space.dims) if nested else [space.dims])
        }
        functions = [term for terms in self.terms.values() for term in terms.values()]
        self.learned = nn.ModuleList(term for term in functions if isinstance(term, nn.Module))
        self.margin = _margin(loss)
        self.uses_memory = any(row.uses_memory for row, _ in parse_loss(loss))

    def forward(self, batch: Labelled, memory: Labelled | None) -> dict[str, Tensor]:
        """Compute each term, by its name."""
        found: dict[str, Tensor] = {}
        for dims, terms in self.terms.items():
            seen = cut(batch, dims), memory and cut(memory, dims)
            for name, term in terms.items():
                value = term(*seen)
                found[name] = found[name] + value if name in found else value
        return {name: value / len(self.terms) for name, value in found.items()}


def nested_sizes(dims: int) -> list[int]:
    """Halve a width while 16 are left."""
    sizes = [dims]
    while sizes[-1] // 2 >= SMALLEST:
        sizes.append(sizes[-1] // 2)
    return sizes


def cut(batch: Labelled, dims: int) -> Labelled:
    """Keep the first numbers of descriptors, as unit vectors."""
    if batch.descriptors.shape[1] == dims:
        return batch
    return batch._replace(descriptors=functional.normalize(batch.descriptors[:, :dims], dim=1))


def _margin(loss: str) -> float | None:
    """Return the similarity below which a negative pair is left alone, where a loss has one."""
    margins = [values[row.margin] for row, values in parse_loss(loss) if row.margin]
    return margins[0] if margins else None
