"""The state of a training: what its next step depends on, taken down and put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from bench.train.averages import Average
from bench.train.collapse import CollapseDetector
from bench.train.feed import BatchSource
from bench.train.group import ALONE, Group
from bench.train.memory import CrossBatchMemory
from bench.train.objective import Objective
from bench.train.precision import Precision
from bench.train.selection import Selection
from bench.train.snapshot import Snapshot, UnusableError
from registry.datasets.split import Positions
from registry.recipe import Recipe


@dataclass
class State:
    """Everything that changes from step to step; whatever is added to a training belongs here.

    torch's generators of the CPU and of the device are part of it, the learning rate is not: it
    follows from the step.
    """

    recipe: Recipe
    network: nn.Module
    pooling: str
    objective: Objective
    optimiser: torch.optim.Optimizer
    precision: Precision
    memory: CrossBatchMemory
    feed: BatchSource
    selection: Selection
    collapse: CollapseDetector
    device: torch.device
    bad: Positions
    """Images that are left out."""
    encoder: Average | None = None
    """That fills the memory, where it is not the network."""
    average: Average | None = None
    """Of all steps, that is kept instead of the network."""
    group: Group = ALONE
    losses: list[float] = field(default_factory=list)
    """Of each step done: their number is the step to come."""

    def fills(self, order: str) -> bool:
        """Whether the batch of the step to come joins the memory after or before its loss."""
        recipe = self.recipe
        return recipe.memory_order == order and len(self.losses) >= recipe.memory_start

    def finite(self) -> bool:
        """Whether another step can go on from here."""
        return all(bool(tensor.isfinite().all()) for _, tensor in tensors_of(self.network))


def tensors_of(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and buffers by name, also those that a state dict leaves out."""
    yield from network.named_parameters()
    yield from network.named_buffers()


def take_down(state: State) -> Snapshot:
    """Note a state between two steps."""
    tensors = {name: tensor.detach() for name, tensor in _in_place(state)}
    for index, entries in state.optimiser.state_dict()["state"].items():
        tensors |= {
            f"optimiser.{index}.{name}": value
            for name, value in entries.items()
            if isinstance(value, Tensor)
        }
    tensors |= {f"memory.{name}": tensor for name, tensor in state.memory.tensors.items()}
    tensors |= {f"selection.{name}": tensor for name, tensor in state.selection.tensors.items()}
    tensors |= {f"collapse.{name}": tensor for name, tensor in state.collapse.tensors.items()}
    tensors["generator.cpu"] = torch.get_rng_state()
    if state.device.type == "cuda":
        tensors["generator.cuda"] = torch.cuda.get_rng_state(state.device)
    facts = {
        "losses": state.losses,
        "sampler": state.feed.place,
        "bad": state.bad.tolist(),
        "memory": state.memory.facts,
        "precision": state.precision.place,
        "selection": state.selection.facts,
        "collapse": state.collapse.facts,
    }
    return Snapshot(tensors, facts)


def check_fit(snapshot: Snapshot, network: nn.Module) -> None:
    """Raise UnusableError where a snapshot is not of this network: before anything is put back."""
    found = {name: tensor.shape for name, tensor in snapshot.part("network.").items()}
    if found != {name: tensor.shape for name, tensor in tensors_of(network)}:
        raise UnusableError("it is of another network")


def put_back(snapshot: Snapshot, state: State) -> None:
    """Have a new state go on from a snapshot of its training."""
    with torch.no_grad():
        for name, tensor in _in_place(state):
            tensor.copy_(snapshot.tensors[name])
    entries: dict[int, dict[str, Tensor]] = {}
    for place, value in snapshot.part("optimiser.").items():
        index, _, name = place.partition(".")
        entries.setdefault(int(index), {})[name] = value
    groups = state.optimiser.state_dict()["param_groups"]
    state.optimiser.load_state_dict({"state": entries, "param_groups": groups})
    _lay_out(state.optimiser)
    facts = snapshot.facts
    state.memory.put_back(snapshot.part("memory."), facts["memory"], state.device)
    state.feed.place = facts["sampler"]
    state.precision.place = facts["precision"]
    state.selection.put_back(snapshot.part("selection."), facts["selection"])
    seen = snapshot.part("collapse.").items()
    state.collapse.put_back(
        {name: tensor.to(state.device) for name, tensor in seen}, facts["collapse"]
    )
    state.losses = list(facts["losses"])
    torch.set_rng_state(snapshot.tensors["generator.cpu"])
    if state.device.type == "cuda":
        torch.cuda.set_rng_state(snapshot.tensors["generator.cuda"], state.device)


def _lay_out(optimiser: torch.optim.Optimizer) -> None:
    """Lay moments out as their parameters are: fused optimisers walk both in the order of memory.

    A snapshot holds them row by row, a network in channels_last does not.
    """
    for parameter, kept in optimiser.state.items():
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                kept[name] = torch.empty_like(parameter).copy_(value)


def _in_place(state: State) -> Iterator[tuple[str, Tensor]]:
    """Yield what is overwritten where it is: weights, and averages of them."""
    for part, network in (("network", state.network), ("objective", state.objective)):
        yield from ((f"{part}.{name}", tensor) for name, tensor in tensors_of(network))
    for part, average in (("encoder", state.encoder), ("average", state.average)):
        if average is not None:
            yield from ((f"{part}.{name}", tensor) for name, tensor in average.tensors.items())
