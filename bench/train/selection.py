"""Which weights a training keeps: the last, or the best seen on held-out classes or on the test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.recipe import Selection as How


class Selection:
    """Values at intervals, and the network where the highest was; of equal ones, the earlier.

    By "last" the values are noted and nothing is kept. A step is the number of steps done.
    """

    def __init__(self, how: How, every: int) -> None:
        if how != "last" and every < 1:
            raise UsageError(
                f"selection={how} with validate_every={every} has nothing to select from: give the "
                "number of steps between two validations, 1 or more"
            )
        self.how = how
        self.every = every
        self.curve: list[tuple[int, float]] = []
        self.tensors: dict[str, Tensor] = {}
        """Parameters and buffers of the best step, on the CPU; a checkpoint's part."""

    def due(self, step: int, steps: int) -> bool:
        """Whether to validate after a step, of so many: at every interval, and at the end."""
        return self.every > 0 and (step % self.every == 0 or step == steps)

    def see(self, step: int, value: float, network: nn.Module) -> bool:
        """Note a value, higher is better; returns whether it is the best, and kept."""
        best = self._best()
        self.curve.append((step, value))
        if self.how == "last" or (best is not None and value <= best[1]):
            return False
        self.tensors = {
            name: tensor.detach().to("cpu", copy=True) for name, tensor in _tensors(network)
        }
        return True

    def apply(self, network: nn.Module) -> None:
        """Give a network the weights that are kept; by "last", those that it has."""
        if self.how == "last" or not self.tensors:
            return
        with torch.no_grad():
            for name, tensor in _tensors(network):
                tensor.copy_(self.tensors[name])

    @property
    def summary(self) -> dict[str, Any]:
        """For JSON; value is that of the kept weights, None where nothing was seen.

        value - last is what choosing gained: by "test", the gap to the honest number.
        """
        last = self.curve[-1] if self.curve else (None, None)
        step, value = last if self.how == "last" else self._best() or last
        curve = [list(point) for point in self.curve]
        return {"by": self.how, "step": step, "value": value, "last": last[1], "curve": curve}

    @property
    def facts(self) -> dict[str, Any]:
        """What a checkpoint holds beside the tensors, for JSON."""
        return {"curve": [list(point) for point in self.curve]}

    def put_back(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's tensors and facts."""
        self.tensors = dict(tensors)
        self.curve = [(int(step), float(value)) for step, value in facts["curve"]]

    def _best(self) -> tuple[int, float] | None:
        """The highest point, the earliest of equals."""
        return max(self.curve, key=lambda point: point[1], default=None)


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()
