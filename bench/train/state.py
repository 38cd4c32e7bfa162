"""The state of a training: what its next step depends on, taken down and put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from bench.train.feed import BatchSource
from bench.train.memory import CrossBatchMemory
from bench.train.snapshot import Snapshot, UnusableError
from registry.losses.labelled import Labelled


@dataclass
class State:
    """Everything that changes from step to step; whatever is added to a training belongs here.

    torch's generators of the CPU and of the device are part of it, the learning rate is not: it
    follows from the step.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    memory: CrossBatchMemory
    feed: BatchSource
    device: torch.device
    losses: list[float] = field(default_factory=list)
    """Of each step done: their number is the step to come."""

    def finite(self) -> bool:
        """Whether another step can go on from here."""
        return all(bool(tensor.isfinite().all()) for _, tensor in tensors_of(self.network))


def tensors_of(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and buffers by name, also those that a state dict leaves out."""
    yield from network.named_parameters()
    yield from network.named_buffers()


def take_down(state: State) -> Snapshot:
    """Note a state between two steps."""
    tensors = {f"network.{name}": tensor.detach() for name, tensor in tensors_of(state.network)}
    for index, entries in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in entries.items()}
    kept = state.memory.content
    tensors |= {f"memory.{name}": part for name, part in (kept._asdict() if kept else {}).items()}
    tensors["generator.cpu"] = torch.get_rng_state()
    if state.device.type == "cuda":
        tensors["generator.cuda"] = torch.cuda.get_rng_state(state.device)
    facts = {
        "losses": state.losses,
        "sampler": state.feed.place,
        "bad": state.feed.bad.tolist(),
        "offsets": [part.storage_offset() for part in kept or ()],
    }
    return Snapshot(tensors, facts)


def check_fit(snapshot: Snapshot, network: nn.Module) -> None:
    """Raise UnusableError where a snapshot is not of this network: before anything is put back."""
    found = {name: tensor.shape for name, tensor in snapshot.part("network.").items()}
    if found != {name: tensor.shape for name, tensor in tensors_of(network)}:
        raise UnusableError("it is of another network")


def put_back(snapshot: Snapshot, state: State) -> None:
    """Have a new state go on from a snapshot of its training."""
    network = snapshot.part("network.")
    with torch.no_grad():
        for name, tensor in tensors_of(state.network):
            tensor.copy_(network[name])
    entries: dict[int, dict[str, Tensor]] = {}
    for place, value in snapshot.part("optimiser.").items():
        index, _, name = place.partition(".")
        entries.setdefault(int(index), {})[name] = value
    groups = state.optimiser.state_dict()["param_groups"]
    state.optimiser.load_state_dict({"state": entries, "param_groups": groups})
    state.memory.content = _memory(snapshot, state.device)
    state.feed.place = snapshot.facts["sampler"]
    state.losses = list(snapshot.facts["losses"])
    torch.set_rng_state(snapshot.tensors["generator.cpu"])
    if state.device.type == "cuda":
        torch.cuda.set_rng_state(snapshot.tensors["generator.cuda"], state.device)


def _memory(snapshot: Snapshot, device: torch.device) -> Labelled | None:
    """Lay the memory out as it was: a product's last bit may depend on where its operands start."""
    parts = snapshot.part("memory.")
    if not parts:
        return None
    laid = []
    for name, offset in zip(Labelled._fields, snapshot.facts["offsets"], strict=True):
        part = parts[name]
        room = torch.empty(offset + part.numel(), dtype=part.dtype, device=device)
        laid.append(room[offset:].view(part.shape).copy_(part))
    return Labelled(*laid)
