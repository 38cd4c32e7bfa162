"""Losses of pytorch-metric-learning as modules of ours: (batch, memory) -> scalar.

Imports the package: registry.losses.pml says first whether it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from pytorch_metric_learning import losses
from torch import Tensor, nn

from registry.errors import UsageError
from registry.losses.labelled import Labelled
from registry.losses.pml_pairs import all_pairs, all_triplets

if TYPE_CHECKING:
    from registry.losses.pml import Facts
    from registry.losses.pml_pairs import Choice

_ALL: dict[str, Choice | None] = {"pairs": all_pairs, "triplets": all_triplets, "": None}


def adapted(
    name: str, arguments: Mapping[str, Any], facts: Facts, choose: Choice | None = None
) -> Adapted:
    """Build a loss of the package, with every pair or triplet unless others are chosen.

    Raises UsageError for arguments that its constructor refuses.
    """
    try:
        loss = getattr(losses, name)(**arguments)
    except (ArithmeticError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"loss pml:{name} cannot be built: {why}") from error
    arrange = by_class if name == "SmoothAPLoss" else None
    return Adapted(loss, choose or _ALL[facts.chosen], facts.uses_memory, arrange)


class Adapted(nn.Module):
    """A loss over the batch's own pairs, plus over its pairs with the memory if it can.

    Its parameters (proxies) are the module's; what it counts from step to step is a buffer.
    """

    def __init__(
        self,
        loss: nn.Module,
        choose: Choice | None,
        uses_memory: bool,
        arrange: Callable[[Labelled], Labelled] | None = None,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.choose = choose
        self.uses_memory = uses_memory
        self.arrange = arrange
        _register_tensors(loss)

    def forward(self, batch: Labelled, memory: Labelled | None) -> Tensor:
        """Return the loss, in the descriptors' own precision even under autocast."""
        batch = self.arrange(batch) if self.arrange else batch
        with torch.autocast(device_type=batch.descriptors.device.type, enabled=False):
            value = self._against(batch, batch)
            if memory is not None and self.uses_memory:
                value = value + self._against(batch, memory)
        _forget_graphs(self.loss)
        return value

    def _against(self, batch: Labelled, others: Labelled) -> Tensor:
        chosen = self.choose(batch, others) if self.choose else None
        references = () if others is batch else (others.descriptors, others.labels)
        value: Tensor = self.loss(batch.descriptors, batch.labels, chosen, *references)
        return value


def by_class(batch: Labelled) -> Labelled:
    """Put the images of each class side by side: SmoothAPLoss takes that for granted.

    Raises UsageError if classes differ in their number of images, which it cannot take.
    """
    order = batch.labels.argsort(stable=True)
    counts = torch.bincount(batch.labels)
    counts = counts[counts > 0]
    if counts.min() != counts.max():
        raise UsageError(
            "smooth AP of pytorch-metric-learning needs as many images of each class of a batch, "
            f"not {int(counts.min())} and {int(counts.max())}: take sampler=class_balanced"
        )
    return Labelled(batch.descriptors[order], batch.labels[order], batch.images[order])


def _register_tensors(loss: nn.Module) -> None:
    """Make buffers of plain tensors, so that they move and are saved with the module."""
    for name, value in list(vars(loss).items()):
        if isinstance(value, Tensor):
            delattr(loss, name)
            loss.register_buffer(name, value)


def _forget_graphs(loss: nn.Module) -> None:
    """Detach what a loss keeps for the next step: that step cannot go back through this one."""
    for name, buffer in loss.named_buffers(recurse=False):
        if buffer.requires_grad:
            setattr(loss, name, buffer.detach())
