"""The gradient of one step: of the whole batch at once, or in pieces where memory is short.

In pieces by gradient caching (Gao et al. 2021, arXiv 2101.06983), so that the loss still sees the
whole batch: its descriptors are computed piece by piece without a graph, the loss and its gradient
on all of them; then each piece goes through the network again, drawing the same random numbers, and
takes its part of that gradient further to the parameters. Equal to the whole batch's to rounding;
a network that draws random numbers draws others than it would for the whole batch at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from bench.micro_batch import MicroBatch
from bench.train.generators import generators, set_generators
from bench.train.state import State
from registry.losses.labelled import Labelled

if TYPE_CHECKING:
    from registry.losses import LossFunction

WHOLE = (
    "its batch norms need the whole batch at once: the statistics of a smaller one are others, and "
    "so would be the numbers"
)


class Objective(NamedTuple):
    """What is computed of a batch."""

    pooling: str
    loss: LossFunction


def whole_only(network: nn.Module) -> str:
    """Say why a network in training has to see a batch at once; nothing if it need not."""
    return WHOLE if any(map(_mixes_images, network.modules())) else ""


def _mixes_images(module: nn.Module) -> bool:
    """Whether a module's output for one image depends on the others, as batch norms' does."""
    if isinstance(module, _BatchNorm) and module.running_var is None:
        return True
    # of timm's own norms, those of a batch have that too
    return module.training and getattr(module, "running_var", None) is not None


def gradient(
    state: State, drawn: tuple[Tensor, Tensor, Tensor], objective: Objective, micro: MicroBatch
) -> tuple[Tensor, Labelled]:
    """Leave the loss's gradient at the parameters; returns the loss and its descriptors.

    Drawn are images, classes and positions. Each attempt that runs out of memory is as if it had
    not been made, but for the statistics of batch norms, after which there is no other.
    """
    before = generators(state.device)

    def attempt(size: int) -> tuple[Tensor, Labelled]:
        set_generators(before, state.device)
        state.optimiser.zero_grad()
        if size == len(drawn[0]):
            return _at_once(state, drawn, objective)
        return _in_pieces(state, drawn, objective, size)

    return micro.fit(len(drawn[0]), attempt)


def embed(state: State, pixels: Tensor, pooling: str) -> Tensor:
    """Embed images into unit descriptors."""
    return functional.normalize(state.network(pixels.to(state.device))[pooling], dim=1)


def _at_once(
    state: State, drawn: tuple[Tensor, Tensor, Tensor], objective: Objective
) -> tuple[Tensor, Labelled]:
    pixels, *about = drawn
    found = embed(state, pixels, objective.pooling)
    batch = Labelled(found, *(part.to(state.device) for part in about))
    loss = objective.loss(batch, state.memory.content)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), batch._replace(descriptors=found.detach())


def _in_pieces(
    state: State, drawn: tuple[Tensor, Tensor, Tensor], objective: Objective, size: int
) -> tuple[Tensor, Labelled]:
    pixels, *about = drawn
    pieces = torch.split(pixels, size)
    places, parts = [], []
    with torch.no_grad():
        for piece in pieces:
            places.append(generators(state.device))
            parts.append(embed(state, piece, objective.pooling))
    found = torch.cat(parts).requires_grad_()
    batch = Labelled(found, *(part.to(state.device) for part in about))
    loss = objective.loss(batch, state.memory.content)
    loss.backward()  # type: ignore[no-untyped-call]
    assert found.grad is not None
    after = generators(state.device)
    for piece, place, part in zip(pieces, places, torch.split(found.grad, size), strict=True):
        set_generators(place, state.device)
        embed(state, piece, objective.pooling).backward(part)  # type: ignore[no-untyped-call]
    set_generators(after, state.device)
    return loss.detach(), batch._replace(descriptors=found.detach())
