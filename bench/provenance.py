"""Provenance: where a number came from, and what it cost. Never part of a key."""

from __future__ import annotations

import os
import platform
import resource
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "pillow", "faiss")
DISTRIBUTIONS = {"faiss": ("faiss-gpu", "faiss-cpu")}
"""Packages that go by other names where they are installed from."""
STATUS, RESET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Meter:
    """What one stage costs, from its start to the moment its artifact is sealed."""

    device: torch.device
    log: str | None = None
    """File of what the stage prints, relative to the run folder."""
    notes: list[str] = field(default_factory=list)
    """What was done otherwise than asked: smaller batches, a resumed training."""
    started: str = field(default_factory=lambda: now())
    _wall: float = field(default_factory=time.monotonic)
    _cpu: float = field(default_factory=time.process_time)
    _event: torch.cuda.Event | None = None

    def __post_init__(self) -> None:
        """Forget the peaks of what ran before."""
        with suppress(OSError):
            RESET_PEAK.write_text("5")
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self._event = _event(self.device)

    def computed(self) -> dict[str, Any]:
        """Say who computed it, when, on what, with what, and what it cost.

        Of a training that was resumed: since then. device_seconds: on a CPU those of all threads,
        on a GPU from the first to the last entry of its queue, pauses included. peak_bytes are of
        the whole process.
        """
        cuda = self.device.type == "cuda"
        return {
            "by": f"process {os.getpid()} on {socket.gethostname()}",
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self.started,
            "finished": now(),
            "wall_seconds": round(time.monotonic() - self._wall, 4),
            "device_seconds": round(self._device_seconds(), 4),
            "peak_bytes": _peak_bytes(),
            "peak_device_bytes": torch.cuda.max_memory_allocated(self.device) if cuda else None,
            "notes": list(self.notes),
            "log": self.log,
            **environment(self.device),
        }

    def _device_seconds(self) -> float:
        if self._event is None:
            return time.process_time() - self._cpu
        end = _event(self.device)
        end.synchronize()
        return float(self._event.elapsed_time(end)) / 1000


def environment(device: torch.device) -> dict[str, Any]:
    """The machine, its settings, and the versions of everything that computes."""
    return {
        **_machine(device),
        "threads": torch.get_num_threads(),
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "deterministic": {
            "algorithms": torch.are_deterministic_algorithms_enabled(),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
        },
    }


def now() -> str:
    """Wall-clock time, for people."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@lru_cache(maxsize=8)
def _machine(device: torch.device) -> dict[str, Any]:
    cuda = device.type == "cuda"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "driver": _driver() if cuda else None,
        "cuda": torch.version.cuda if cuda else None,
        **{package: _version(package) for package in PACKAGES},
        **COMMIT,
    }


def _version(package: str) -> str | None:
    for name in DISTRIBUTIONS.get(package, (package,)):
        with suppress(ImportError):  # PackageNotFoundError is one
            return version(name)
    return None


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.split("\n")[0].strip() or None
    return None


def _commit() -> dict[str, Any]:
    """Commit of this code and whether it was changed; None where it is no checkout."""
    here = Path(__file__).resolve().parent.parent
    if (here / ".git").exists():
        with suppress(OSError, subprocess.CalledProcessError):
            commit = _git(here, "rev-parse", "HEAD")
            return {"git": commit, "dirty": bool(_git(here, "status", "--porcelain"))}
    return {"git": None, "dirty": None}


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _event(device: torch.device) -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event


def _peak_bytes() -> int:
    """Most memory that was resident since the start; of the process' life where that is unknown."""
    with suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


COMMIT = _commit()
"""Of the code as it was imported: a worker started days later is forked from that."""
