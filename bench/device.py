"""Devices: what --device names, and how a process takes one."""

from __future__ import annotations

import re

import torch

from registry.errors import UsageError


def devices(text: str) -> list[str]:
    """Read auto, or names with commas: cpu, cuda, cuda:N, or several joined by +.

    Each is a worker's, and may come twice; those that are joined train together. auto is every GPU,
    or the CPU where there is none. Raises UsageError for one that is not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto":
        return [f"cuda:{index}" for index in range(count)] or ["cpu"]
    return [_joined(names, count, text) for names in text.split(",")]


def parts(names: str) -> list[str]:
    """Take what is joined by + apart: the devices of one worker."""
    return names.split("+")


def use_device(name: str) -> torch.device:
    """Take a device, and settle how it computes."""
    # features are float32: TensorFloat-32 convolutions would keep ten bits of the mantissa
    torch.backends.cudnn.allow_tf32 = False
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def _joined(names: str, count: int, text: str) -> str:
    found = [_named(name.strip(), count, text) for name in parts(names)]
    twice = [name for name in found if name != "cpu" and found.count(name) > 1]
    if len({name.partition(":")[0] for name in found}) > 1:
        raise UsageError(f"--device {text}: join devices of one kind, cuda:0+cuda:1 or cpu+cpu")
    if twice:
        raise UsageError(
            f"--device {text}: {twice[0]} cannot train together with itself: join different GPUs"
        )
    return "+".join(found)


def _named(name: str, count: int, text: str) -> str:
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if name == "cpu" or (match and int(match[1] or 0) < count):
        return f"cuda:{int(match[1] or 0)}" if match else name
    there = ", ".join(["auto", "cpu", *(f"cuda:{index}" for index in range(count))])
    raise UsageError(f"--device {text}: there is no such device here (known: {there})")
