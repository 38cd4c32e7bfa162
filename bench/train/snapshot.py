"""A snapshot: tensors and facts in one file, checked by a sum; nothing in it is ever run as code.

The file is a safetensors file, whose metadata hold the facts as JSON and the CRC-32 of everything.
One file, so that one rename replaces the snapshot before it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from registry.publish import write_file


class UnusableError(Exception):
    """A snapshot that nothing can go on from, with the reason."""


@dataclass(frozen=True)
class Snapshot:
    """A training between two steps."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    """What JSON can hold."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start so, without that start."""
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }


def write_snapshot(snapshot: Snapshot, file: Path) -> None:
    """Write a file in one step; raises OSError where the disk does not take it."""
    facts = json.dumps(snapshot.facts, allow_nan=False)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in snapshot.tensors.items()}
    metadata = {"facts": facts, "crc32": _checksum(facts, tensors)}
    try:
        write_file(file, lambda unfinished: save_file(tensors, unfinished, metadata))
    except SafetensorError as error:  # what it makes of the system's errors
        raise OSError(str(error)) from error


def read_snapshot(file: Path) -> Snapshot | None:
    """Read a file, if it is there; raises UnusableError where it is not what was written."""
    try:
        with safe_open(file, framework="pt") as content:
            metadata = content.metadata() or {}
            # cloned: in memory of their own, aligned, not on a file that may be replaced
            tensors = {name: content.get_tensor(name).clone() for name in content.keys()}  # noqa: SIM118
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, ValueError) as error:
        raise UnusableError(f"it is damaged ({error})") from error
    facts = metadata.get("facts", "")
    if metadata.get("crc32") != _checksum(facts, tensors):
        raise UnusableError("it is damaged (its checksum differs)")
    return Snapshot(tensors, json.loads(facts))


def _checksum(facts: str, tensors: Mapping[str, Tensor]) -> str:
    total = zlib.crc32(facts.encode())
    for name, tensor in sorted(tensors.items()):
        about = f"{name} {tensor.dtype} {tuple(tensor.shape)}"
        total = zlib.crc32(about.encode(), total)
        total = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"
