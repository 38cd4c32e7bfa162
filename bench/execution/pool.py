"""Pool: a worker process per device, given tasks, heard, replaced when it ends, ended.

Workers are forked from a server that has imported torch once and does nothing else, so that a new
one costs milliseconds. Where that is not safe (macOS) each is a process of its own from the start.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from bench.execution.entry import be_worker, tell_devices
from bench.execution.messages import Died, Message, Settings, Task
from bench.processes import importing_as_here, without_interrupts
from registry.errors import UsageError, WorkError

ENTRY = "bench.execution.worker"
FORKING = sys.platform == "linux"
PATIENCE = 5.0
"""Seconds that a worker has to end."""
UNKNOWN = 255
"""What multiprocessing takes for an exit code once the server is gone."""


@dataclass(eq=False)
class Worker:
    """One process, as its parent sees it."""

    device: str
    process: BaseProcess
    connection: Connection
    task: Task | None = None
    held: ExitStack = field(default_factory=ExitStack)
    """What is given back when its task ends: the lease."""

    def give(self, task: Task) -> None:
        """Hand it a task; one that has ended meanwhile will be heard of."""
        self.task = task
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(task)

    def hear(self) -> Iterator[Message]:
        """Yield what it has said; its death comes last."""
        try:
            while not self.connection.closed and self.connection.poll():
                yield self.connection.recv()
        except (EOFError, OSError):
            self.process.join(PATIENCE)
            yield Died(self.process.exitcode)

    def end(self, *, at_once: bool = False) -> None:
        """Have the process end, and wait for it."""
        with suppress(OSError):
            if not at_once:
                self.connection.send(None)
                self.process.join(PATIENCE)
        self.signal(signal.SIGKILL)
        self.process.join(PATIENCE)
        self.connection.close()

    def signal(self, number: int) -> None:
        """Send a signal, also where the server that would know of the process' end was killed."""
        if self.process.pid is not None and self.process.exitcode in (None, UNKNOWN):
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


Start = Callable[[Settings, str], tuple[BaseProcess, Connection]]


def warm_up() -> None:
    """Have torch imported, in another process, while this one goes on."""
    if FORKING:
        forkserver.set_forkserver_preload([ENTRY])
        with without_interrupts(), _importing_as_here():  # also while it imports
            forkserver.ensure_running()


@contextmanager
def _importing_as_here() -> Iterator[None]:
    """Have a process find the modules that this one has, not those in its working folder."""
    wanted = importing_as_here()
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def start_worker(settings: Settings, device: str) -> tuple[BaseProcess, Connection]:
    """Start a worker's process; return it and this end of the pipe to it."""
    return _started(be_worker, settings, device)


def find_devices(text: str) -> list[str]:
    """Ask a process that may import torch which devices there are; raises UsageError."""
    process, connection = _started(tell_devices, text)
    try:
        answer = connection.recv()
    except EOFError:
        process.join()
        raise WorkError(
            f"--device {text}: the process that looks for it ended with {process.exitcode}"
        ) from None
    finally:
        connection.close()
    process.join()
    if isinstance(answer, UsageError):
        raise answer
    found: list[str] = answer
    return found


def _started(entry: Callable[..., None], *arguments: object) -> tuple[BaseProcess, Connection]:
    ours, theirs = multiprocessing.Pipe()
    kind = get_context("forkserver").Process if FORKING else get_context("spawn").Process
    process: BaseProcess = kind(target=entry, args=(theirs, *arguments), daemon=True)
    try:
        warm_up()  # the server may have been killed
        with without_interrupts():
            process.start()
    except (EOFError, OSError) as error:
        raise WorkError(f"cannot start a worker ({error!r}): see above, and run again") from error
    finally:
        theirs.close()
    return process, ours


class Pool:
    """The workers of a run: none is started before there is a task for it."""

    def __init__(self, settings: Settings, devices: Sequence[str], start: Start = start_worker):
        self.settings = settings
        self.start = start
        self.free = list(devices)
        """Devices without a worker."""
        self.workers: list[Worker] = []

    @property
    def devices(self) -> list[str]:
        """Those that can be had, as far as is known."""
        return [*self.free, *(worker.device for worker in self.workers)]

    @property
    def room(self) -> int:
        """How many more tasks could be begun."""
        return len(self.free) + sum(worker.task is None for worker in self.workers)

    @property
    def at_work(self) -> list[Worker]:
        """Workers with a task."""
        return [worker for worker in self.workers if worker.task is not None]

    def idle(self) -> Worker:
        """A worker without a task, a new one if need be."""
        for worker in [worker for worker in self.workers if worker.task is None]:
            if worker.process.exitcode is None:
                return worker
            self.retire(worker)
        worker = Worker(self.free[0], *self.start(self.settings, self.free[0]))
        del self.free[0]
        self.workers.append(worker)
        return worker

    def hear(self, timeout: float | None) -> Iterator[tuple[Worker, Message]]:
        """Yield what workers said, or had said by the time."""
        ready = wait([worker.connection for worker in self.workers], timeout)
        for worker in [worker for worker in self.workers if worker.connection in ready]:
            for message in worker.hear():
                yield worker, message

    def retire(self, worker: Worker, *, at_once: bool = False) -> None:
        """End a worker; its device is free for another."""
        self.workers.remove(worker)
        self.free.append(worker.device)
        worker.end(at_once=at_once)

    def drop(self, worker: Worker) -> None:
        """End a worker whose device cannot be had: no other is to try it."""
        self.retire(worker)
        self.free.remove(worker.device)

    def stop(self) -> None:
        """Ask all workers to end: a training writes its checkpoint first."""
        for worker in self.workers:
            worker.signal(signal.SIGTERM)

    def close(self) -> None:
        """End all workers, at once those that are at something."""
        for worker in list(self.workers):
            self.retire(worker, at_once=worker.task is not None)
