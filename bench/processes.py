"""Worker processes that leave Ctrl-C to their parent, and are gone when the work ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker


def usual_workers() -> int:
    """As many processes as there are cores for this one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes; where work is stopped, what they have begun ends, the rest is dropped."""
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
    try:
        with without_interrupts():  # processes inherit it, from their first moment
            for _ in range(count):
                pool.submit(_nothing)
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def importing_as_here() -> dict[str, str]:
    """Say by which variables a process finds the modules that this one has.

    Not those in its working folder.
    """
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Start processes that never hear of Ctrl-C; this one hears of it afterwards."""
    resource_tracker.ensure_running()  # else started within, it would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    """The first work of a process."""
