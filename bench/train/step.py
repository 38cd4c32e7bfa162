"""The gradient of one step: of the whole batch at once, or in pieces where memory is short.

In pieces by gradient caching (Gao et al. 2021, arXiv 2101.06983), so that the loss still sees the
whole batch: its descriptors are computed piece by piece without a graph, the loss and its gradient
on all of them; then each piece goes through the network again, drawing the same random numbers, and
takes its part of that gradient further to the parameters. Equal to the whole batch's to rounding;
a network that draws random numbers draws others than it would for the whole batch at once.

Of several processes each embeds its part of the batch and computes the whole loss (group.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from bench.micro_batch import MicroBatch
from bench.train.feed import Drawn
from bench.train.generators import generators, set_generators
from bench.train.group import Group
from bench.train.precision import full
from bench.train.state import State
from bench.train.statistics import gradient_nuclear_norm
from registry.losses.labelled import Labelled

CONTRASTIVE = "contrastive"
"""The term whose gradients are looked at: eq. 1."""
WHOLE = (
    "its batch norms need the whole batch at once: the statistics of a smaller one are others, and "
    "so would be the numbers"
)


class Step(NamedTuple):
    """What was computed of a batch; its gradient is at the parameters."""

    loss: Tensor
    terms: dict[str, Tensor]
    """That add up to it."""
    batch: Labelled
    gradient_nuclear_norm: Tensor | None = None
    """Of the contrastive term (eq. 1), where there is one and the network learns."""


def whole_only(network: nn.Module) -> str:
    """Say why a network in training has to see a batch at once; nothing if it need not."""
    return WHOLE if any(map(_mixes_images, network.modules())) else ""


def _mixes_images(module: nn.Module) -> bool:
    """Whether a module's output for one image depends on the others, as batch norms' does."""
    if isinstance(module, _BatchNorm) and module.running_var is None:
        return True
    # of timm's own norms, those of a batch have that too
    return module.training and getattr(module, "running_var", None) is not None


def gradient(state: State, drawn: Drawn, micro: MicroBatch) -> Step:
    """Leave the loss's gradient at the parameters.

    Each attempt that runs out of memory is as if it had not been made, but for the statistics of
    batch norms, after which there is no other.
    """
    before = generators(state.device)
    group, held = state.group, state.memory.content
    if whole_only(state.network):
        group = group.together()  # such norms wait for the other ranks themselves

    def attempt(size: int) -> Step:
        set_generators(before, state.device)
        state.memory.content = held
        state.optimiser.zero_grad()
        if size == most:
            return _at_once(state, drawn, group)
        return _in_pieces(state, drawn, group, size)

    most = group.most(len(drawn.labels))  # ranks whose part is smaller go the same way
    done = micro.fit(most, attempt)
    state.group.sum_gradients(state.network.parameters())
    state.group.same_gradients(state.objective.parameters())
    return done


def embed(state: State, pixels: Tensor) -> Tensor:
    """Embed images into unit descriptors, float32."""
    with state.precision.autocast():
        pooled = state.network(pixels.to(state.device))[state.pooling]
    return functional.normalize(full(pooled), dim=1)


def momentum_batch(state: State, drawn: Drawn, batch: Labelled, size: int) -> Labelled:
    """Return what joins the memory: a batch as it was embedded, or by the momentum encoder."""
    if state.encoder is None:
        return batch
    with state.encoder.encoding():
        pieces = torch.split(drawn.pixels, size)
        own = state.group.agreed(lambda: torch.cat([embed(state, piece) for piece in pieces]))
    return batch._replace(descriptors=state.group.gather(own, len(batch.labels)))


def _at_once(state: State, drawn: Drawn, group: Group) -> Step:
    with group.drawing_apart(state.device):
        own = group.agreed(lambda: embed(state, drawn.pixels))
    found = group.gather(own, len(drawn.labels))
    return group.agreed(lambda: _backward(state, drawn, found))


def _backward(state: State, drawn: Drawn, found: Tensor) -> Step:
    """Compute the objective on the whole batch, and go back from it as far as there is a graph."""
    labels, images = (part.to(state.device) for part in (drawn.labels, drawn.images))
    tuples = None if drawn.tuples is None else drawn.tuples.to(state.device)
    batch = Labelled(found, labels, images, tuples)
    kept = batch._replace(descriptors=found.detach())
    if state.fills("before"):
        state.memory.add(kept)
    terms = state.objective(batch, state.memory.content)
    told = CONTRASTIVE in terms and found.requires_grad
    norm = gradient_nuclear_norm(terms[CONTRASTIVE], found) if told else None
    loss: Tensor = sum(terms.values())
    torch.autograd.backward(state.precision.scaled(loss))
    detached = {name: term.detach() for name, term in terms.items()}
    return Step(loss.detach(), detached, kept, norm)


def _in_pieces(state: State, drawn: Drawn, group: Group, size: int) -> Step:
    pieces = torch.split(drawn.pixels, size)
    places: list[list[Tensor]] = []

    def without_graph() -> Tensor:
        parts = []
        with torch.no_grad():
            for piece in pieces:
                places.append(generators(state.device))
                parts.append(embed(state, piece))
        return torch.cat(parts)

    def again(gradients: Tensor) -> None:
        with _generators_kept(state.device):
            for piece, place, part in zip(
                pieces, places, torch.split(gradients, size), strict=True
            ):
                set_generators(place, state.device)
                torch.autograd.backward(embed(state, piece), part)

    with group.drawing_apart(state.device):
        own = group.agreed(without_graph)
    found = group.gather(own, len(drawn.labels)).requires_grad_()
    done = group.agreed(lambda: _backward(state, drawn, found))
    whole = found.grad
    assert whole is not None
    group.agreed(lambda: again(whole[group.part(len(found))]))
    return done


@contextmanager
def _generators_kept(device: torch.device) -> Iterator[None]:
    after = generators(device)
    yield
    set_generators(after, device)
