"""torch's random numbers: where they are, and going back there."""

from __future__ import annotations

import torch
from torch import Tensor


def generators(device: torch.device) -> list[Tensor]:
    """Note the states of the generators that a network on a device draws from."""
    found = [torch.get_rng_state()]
    if device.type == "cuda":
        found.append(torch.cuda.get_rng_state(device))
    return found


def set_generators(states: list[Tensor], device: torch.device) -> None:
    """Have them draw again what they drew from there on."""
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
