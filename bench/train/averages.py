"""A moving average of a network's weights, which can take the network's place.

torch.optim.swa_utils.AveragedModel holds a second network; this one holds tensors, by the names
that a checkpoint gives them, and the network runs with them: what was done to it (modes that are
kept, compilation) holds for its average too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """The exponential moving average of a network's parameters and buffers, from now on.

    Made once the network is on its device and laid out. decay is the share that stays at an update.
    Integer buffers are the network's own.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network
        self.decay = decay
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._own()}
        """By the names that the network has for its own; to go on from others, overwrite them."""

    def update(self) -> None:
        """Move towards the network, after it learned; not while it is applied."""
        own = dict(self._own())
        floats = [name for name, tensor in own.items() if tensor.is_floating_point()]
        average = get_ema_multi_avg_fn(self.decay)  # type: ignore[no-untyped-call]
        average([self.tensors[name] for name in floats], [own[name] for name in floats], 0)
        for name in own.keys() - floats:
            self.tensors[name].copy_(own[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the network compute with the average, and the average hold the network's weights.

        Between two steps only: an optimiser or a graph would meet the wrong values.
        """
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @contextmanager
    def encoding(self) -> Iterator[None]:
        """Have the network embed as the momentum encoder: the average, in eval mode, no graph.

        He et al. 2020, arXiv 1911.05722, keep batch norms in training mode and shuffle images over
        GPUs instead. No random number is drawn, and all modes are as before afterwards.
        """
        modes = [(module, module.training) for module in self.network.modules()]
        self.network.eval()
        try:
            with self.applied(), torch.no_grad():
                yield
        finally:
            for module, training in modes:
                module.training = training

    def _own(self) -> Iterator[tuple[str, Tensor]]:
        return chain(self.network.named_parameters(), self.network.named_buffers())

    def _swap(self) -> None:
        """Exchange the storages: nothing is copied, and parameters stay the optimiser's."""
        for name, tensor in self._own():
            tensor.data, self.tensors[name] = self.tensors[name], tensor.data
        torch.clear_autocast_cache()  # knows a parameter's low-precision copy by the parameter
