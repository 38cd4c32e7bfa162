"""The numbers that a network computes in: float32, or half the bits in its products."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from registry.errors import WorkError
from registry.recipe import Recipe

TYPES = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_SCALE = 2.0**-10
"""Of a loss in fp16: gradients that overflow below it are no numbers at all."""


class Precision:
    """How a recipe's network computes on a device; weights, loss and updates are float32.

    In fp16 the loss is scaled, or small gradients would be 0; a step whose gradients overflow is
    skipped and the scale halved (Micikevicius et al. 2018, arXiv 1710.03740). Raises WorkError
    where the device cannot compute so.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.name = recipe.precision
        self.dtype = TYPES[recipe.precision]
        self.device = device
        if (
            self.name == "bf16"
            and device.type == "cuda"
            and not torch.cuda.is_bf16_supported(False)
        ):
            raise WorkError(
                f"recipe.precision=bf16: {torch.cuda.get_device_name(device)} does not compute in "
                "it: use recipe.precision=fp16 or float32"
            )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.name == "fp16")
        self.skipped = 0
        """Steps whose gradients overflowed."""

    def autocast(self) -> AbstractContextManager[object]:
        """Compute what is in here in this precision: forward passes, each on its own."""
        if self.dtype is None:
            return nullcontext()
        # a weight is used once per pass: a copy kept for longer saves nothing, and may be stale
        return torch.autocast(self.device.type, dtype=self.dtype, cache_enabled=False)

    def scaled(self, loss: Tensor) -> Tensor:
        """Return what to go backward from."""
        return self.scaler.scale(loss)

    def learn(
        self,
        optimiser: torch.optim.Optimizer,
        parameters: Iterable[nn.Parameter],
        clip_norm: float,
    ) -> bool:
        """Move the parameters down the gradient, clipped to a norm (0 = not); False if skipped.

        Raises WorkError where no scale gives finite gradients.
        """
        self.scaler.unscale_(optimiser)
        if clip_norm:
            nn.utils.clip_grad_norm_(parameters, clip_norm)
        self.scaler.step(optimiser)
        before = self.scaler.get_scale()
        self.scaler.update()
        overflowed = self.scaler.get_scale() < before
        self.skipped += overflowed
        if overflowed and before <= LEAST_SCALE:
            raise WorkError(
                f"gradients overflow in fp16 at every scale, down to {before:g} ({self.skipped} "
                "steps skipped): use recipe.precision=bf16 or float32, or a lower recipe.lr"
            )
        return not overflowed

    @property
    def place(self) -> dict[str, Any]:
        """What the steps to come depend on, for JSON; set it to go on from there."""
        return {"scaler": self.scaler.state_dict(), "skipped": self.skipped}

    @place.setter
    def place(self, place: dict[str, Any]) -> None:
        if place["scaler"]:
            self.scaler.load_state_dict(place["scaler"])
        self.skipped = place["skipped"]


def full(descriptors: Tensor) -> Tensor:
    """Return descriptors in float32 at least: what losses and memories compute in."""
    halves = (torch.bfloat16, torch.float16)
    return descriptors.float() if descriptors.dtype in halves else descriptors
