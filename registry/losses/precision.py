"""What losses are computed in: float32, whatever the network was."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.labelled import Labelled
    from registry.losses.loss import LossFunction


def in_float32(loss: LossFunction) -> LossFunction:
    """Make a loss one that widens half-precision descriptors and knows no autocast."""

    def computed(batch: Labelled, memory: Labelled | None) -> Tensor:
        import torch

        with torch.autocast(batch.descriptors.device.type, enabled=False):
            return loss(_widened(batch), None if memory is None else _widened(memory))

    return computed


def _widened(part: Labelled) -> Labelled:
    import torch

    wide = torch.promote_types(part.descriptors.dtype, torch.float32)
    return part._replace(descriptors=part.descriptors.to(wide))
