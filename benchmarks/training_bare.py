"""The bare training step: forward, backward and fused AdamW of a timm network on a ready batch."""

from __future__ import annotations

import torch

from bench.model import create_backbone
from bench.train.precision import TYPES
from registry.timm_models import backbone_row


class Bare:
    """A network in training whose images lie on the device already, normalised."""

    def __init__(
        self, backbone: str, resolution: int, batch: int, device: torch.device, precision: str
    ) -> None:
        row = backbone_row(backbone)
        self.network = create_backbone(row, resolution).to(device).train()
        self.images = torch.randn(batch, 3, resolution, resolution, device=device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-5, fused=True)
        self.dtype = TYPES[precision]

    def step(self) -> None:
        """Learn nothing, as fast as can be."""
        type_ = self.images.device.type
        with torch.autocast(type_, dtype=self.dtype, enabled=self.dtype is not None):
            pooled = self.network(self.images)
        torch.autograd.backward(pooled.float().square().mean())
        self.optimiser.step()
        self.optimiser.zero_grad()
