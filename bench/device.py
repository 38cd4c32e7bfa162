"""The device a run uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from registry.errors import UsageError

if TYPE_CHECKING:
    import torch


def choose_device(text: str) -> torch.device:
    """Read auto, cpu or cuda:N; raises UsageError for a device that is not there."""
    import torch

    # features are float32: TensorFloat-32 convolutions would keep ten bits of the mantissa
    torch.backends.cudnn.allow_tf32 = False
    if text == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    match = re.fullmatch(r"cuda(?::(\d+))?", text)
    if text != "cpu" and not (match and int(match[1] or 0) < count):
        there = ", ".join(["auto", "cpu", *(f"cuda:{index}" for index in range(count))])
        raise UsageError(f"--device {text}: there is no such device here (known: {there})")
    return torch.device(text)
