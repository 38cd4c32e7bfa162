"""The processes of a run: found, told apart and killed, by what Linux says in /proc.

A run is started in a session of its own, so that what it leaves behind when it is killed is still
known to be its own. Zombies have ended. A process is killed through a descriptor of its own, after
its start was compared: a number that is used again hits nobody else.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
RUN, FORK_SERVER, WORKER, TRACKER, OTHER = (
    "bench run",
    "fork server",
    "worker",
    "resource tracker",
    "other",
)
KINDS = (RUN, FORK_SERVER, WORKER, OTHER)
"""What is hit. The resource tracker is not: it does no work and holds nothing that can be lost."""
LONGEST_DYING = 10.0
"""Seconds that a killed process may take to be gone."""


@dataclass(frozen=True)
class Process:
    """A process that has not ended."""

    pid: int
    parent: int
    session: int
    born: str
    command: str


def running() -> list[Process]:
    """List every process that has not ended; those that end meanwhile are left out."""
    numbers = (int(path.name) for path in PROC.iterdir() if path.name.isdecimal())
    return [process for process in map(look, numbers) if process]


def look(pid: int) -> Process | None:
    """Describe a process; None if it has ended, be it to a zombie."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    state, parent, _, session, *rest = text.rpartition(")")[2].split()
    if state in "ZX":
        return None
    words = command.decode(errors="replace").replace("\0", " ").strip()
    return Process(pid, int(parent), int(session), rest[15], words)


def members(runs: Iterable[int]) -> list[Process]:
    """List the processes of some runs: their sessions, and what descends from those."""
    roots = set(runs)
    every = running()
    found = {process.pid: process for process in every if {process.session, process.pid} & roots}
    while True:
        more = [new for new in every if new.pid not in found and new.parent in found]
        if not more:
            return list(found.values())
        found |= {process.pid: process for process in more}


def children() -> list[int]:
    """List the processes that this one started."""
    return [process.pid for process in running() if process.parent == os.getpid()]


def kinds(processes: Iterable[Process], runs: Iterable[int]) -> dict[Process, str]:
    """Tell what each process of some runs is."""
    roots = set(runs)
    servers = {process.pid for process in processes if _says(process, "forkserver")}
    return {process: _kind(process, roots, servers) for process in processes}


def _kind(process: Process, runs: set[int], servers: set[int]) -> str:
    if process.pid in runs:
        return RUN
    if _says(process, "resource_tracker"):
        return TRACKER
    if process.pid in servers:  # what it forks keeps its command line
        return WORKER if process.parent in servers else FORK_SERVER
    return WORKER if _says(process, "spawn") else OTHER


def _says(process: Process, module: str) -> bool:
    return f"multiprocessing.{module} import" in process.command


def kill(process: Process) -> bool:
    """Send SIGKILL to this very process; tell whether it was there to be hit."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        now = look(process.pid)
        if now is None or now.born != process.born:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def wait_until_gone(runs: Iterable[int], seconds: float = LONGEST_DYING) -> list[Process]:
    """Wait for the processes of some runs to end by themselves; return those that did not."""
    roots, ends = set(runs), time.monotonic() + seconds
    while (left := members(roots)) and time.monotonic() < ends:
        time.sleep(0.05)
    return left


def kill_all(runs: Iterable[int]) -> None:
    """Kill every process of some runs, and those that they start meanwhile."""
    roots, ends = set(runs), time.monotonic() + LONGEST_DYING
    while (left := members(roots)) and time.monotonic() < ends:
        for process in left:
            kill(process)
        time.sleep(0.02)
