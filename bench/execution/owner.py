"""Owners: what a lease says of the process that holds it, and whether that process is gone.

Only a process of this machine can be known to be gone. The host's name does not tell machines
apart (containers often share one), so the kernel's boot and the numbering of processes count too.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BOOT, PROCESSES = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
STATE, START = 0, 19
"""Places in /proc/PID/stat, counted from behind the name."""


@dataclass(frozen=True)
class Owner:
    """A process, told apart from all others on all machines, before and after it."""

    id: str
    """Drawn at random."""
    host: str
    machine: str
    pid: int
    born: str | None
    """When it started, in its machine's own count: numbers of processes are used again."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def gone(self) -> bool:
        """Whether it is certain that the process has ended."""
        return self.machine == this_machine() and not _alive(self.pid, self.born)


@dataclass(frozen=True)
class Lease:
    """Who is at work on what."""

    owner: Owner
    what: str
    since: str
    """Wall-clock time, for people."""
    counter: int = 0
    """Raised by the owner every few seconds: a sign of life that needs no clock."""
    progress: Mapping[str, str | int | float] | None = None
    """Of the step under way, at that sign: name, done, total, unit, per_second."""


def this_process() -> Owner:
    """Describe this process; two calls give two owners."""
    pid = os.getpid()
    return Owner(secrets.token_hex(8), socket.gethostname(), this_machine(), pid, _born(pid))


def this_machine() -> str:
    """Name the machine as processes see it: host, boot of the kernel, numbering of processes."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [BOOT.read_text().strip(), str(PROCESSES.readlink())]
    return " ".join(parts)


def _alive(pid: int, born: str | None) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    stat = _stat(pid)
    if stat is None:
        return True
    return stat[STATE] not in "ZX" and born in (None, stat[START])  # a zombie has ended


def _born(pid: int) -> str | None:
    stat = _stat(pid)
    return stat[START] if stat else None


def _stat(pid: int) -> list[str] | None:
    """What the kernel says of a process, from its state on; None where it does not say."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return None
