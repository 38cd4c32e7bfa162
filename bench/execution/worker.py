"""Worker: a process on one device that does the tasks its parent hands it, one after the other.

It ends with its parent, with a task that fails, and when it is told to stop.
"""

from __future__ import annotations

import faulthandler
import gc
import io
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench.device import devices, parts, use_device
from bench.execution.artifacts import Artifacts, DamagedError, FolderGoneError, read_json
from bench.execution.messages import Damaged, Done, Failed, Message, Settings, Task, Unfit
from bench.execution.ranks import RankFailedError, launch
from bench.execution.relay import Teller
from bench.execution.work import is_done, name_of
from bench.identity import Extraction, Model, Stage
from bench.model import UnreachableWeightsError
from bench.pixels import Cache
from bench.plan import Planned
from bench.provenance import now
from bench.report import write_report
from bench.stages.compute import compute
from bench.stages.context import Context
from bench.stop import Stop
from bench.tracking import open_trackers
from registry.errors import BenchError, UsageError, WorkError
from results.store import report_path

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

Tasks = Callable[[], Task | None]
Logged = Callable[[Path], AbstractContextManager[None]]


def main(connection: Connection, settings: Settings, device: str) -> None:
    """Be a worker: the whole life of its process."""
    os.chdir(settings.here)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who sends SIGTERM
    sys.stdout = sys.stderr = io.TextIOWrapper(Lossy(), write_through=True)
    lock, tasks = threading.Lock(), queue.Queue[Task | None]()

    def send(message: Message) -> None:
        with lock, suppress(BrokenPipeError):
            connection.send(message)

    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    stop = Stop()
    with suppress(KeyboardInterrupt), stop.listening():
        try:
            context = begin(settings, device, send, stop)
        except Exception as error:  # noqa: BLE001 - a device that cannot be had fails what needs it
            if tasks.get():
                told = "".join(traceback.format_exception(error))
                send(Unfit(type(error).__name__, f"no worker on {device}: {describe(error)}", told))
        else:
            serve(tasks.get, send, context, settings)


def _listen(connection: Connection, tasks: queue.Queue[Task | None]) -> None:
    """Pass tasks on; a parent that is gone has left its leases: another may be at work by now."""
    while True:
        try:
            tasks.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)


def begin(settings: Settings, device: str, send: Callable[[Message], None], stop: Stop) -> Context:
    """Take a device, and make what all stages are handed."""
    names = parts(device)
    chosen = use_device(names[0])
    if settings.workers > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // settings.workers))
    teller = Teller(send)
    cache = Cache(settings.runs / "cache", settings.cache_bytes, teller.note)
    tracker = open_trackers(settings.track, settings.runs, teller.note)
    artifacts = Artifacts(settings.runs)
    return Context(artifacts, settings.data, chosen, teller, cache, stop, tracker, names)


class Lossy(io.RawIOBase):
    """Where what is printed goes: a log that cannot be written fails no stage."""

    def writable(self) -> bool:
        return True

    def write(self, content: Buffer) -> int:
        with suppress(OSError):
            os.write(1, content)
        return memoryview(content).nbytes


@contextmanager
def into_log(path: Path) -> Iterator[None]:
    """Have everything that is printed, by C code too, go to the end of a file."""
    with suppress(OSError):  # a full disk: what the stage says of it is more to the point
        path.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(log)
    faulthandler.enable(file=2)
    yield


def serve(
    tasks: Tasks,
    send: Callable[[Message], None],
    context: Context,
    settings: Settings,
    logged: Logged = into_log,
) -> None:
    """Do one task after the other, until there is none or one fails."""
    while (task := tasks()) is not None:
        log = f"log/{task.name}.log"
        with logged(settings.runs / log):
            answer = _answer(task, context, settings, log)
        send(answer)
        if isinstance(answer, Failed):
            return


def _answer(task: Task, context: Context, settings: Settings, log: str) -> Message:
    print(f"{now()} process {os.getpid()}: {task.name} on {context.device}", flush=True)
    context.measure(log)
    try:
        if name_of(task.stage) != task.name:
            raise WorkError(
                "a file of weights, or this program, has changed since the run began: run again"
            )
        if not is_done(task.stage, _poolings(task), context.artifacts):
            _compute(task, context, settings)
        outcomes = {cell.key: _reported(cell, context, settings) for cell in task.cells}
    except DamagedError as error:
        print(error, flush=True)
        return Damaged(error.stage, str(error))
    except RankFailedError as error:  # it has printed where
        return error.failed
    except Exception as error:  # noqa: BLE001 - whatever a stage raises is its cells' failure
        traceback.print_exc()
        return failure(error, task.stage, log)
    print(f"{now()} done", flush=True)
    return Done(outcomes, _worn(context.device))


def _compute(task: Task, context: Context, settings: Settings) -> None:
    """Do a stage, a training together where a worker has several devices."""
    if isinstance(task.stage, Model) and len(context.devices) > 1:
        launch(task.stage, settings, context)
    else:
        compute(task.stage, task.poolings, context)


def failure(error: Exception, stage: Stage, log: str | None) -> Failed:
    """Tell why a stage failed, and whether it is the network itself that cannot be had."""
    model = stage.model if isinstance(stage, Extraction) else stage
    blamed = model if isinstance(error, UnreachableWeightsError) else stage
    return Failed(
        error=type(error).__name__,
        message=describe(error),
        traceback="".join(traceback.format_exception(error)),
        blamed=name_of(blamed),
        log=log,
        gone=isinstance(error, FolderGoneError),
    )


def describe(error: Exception) -> str:
    """Say what went wrong: our own errors are written for users, others get their class."""
    return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"


def _poolings(task: Task) -> dict[Extraction, Sequence[str]]:
    return {task.stage: task.poolings} if isinstance(task.stage, Extraction) else {}


def _reported(cell: Planned, context: Context, settings: Settings) -> str:
    """Write a cell's report unless it is there; return its headline numbers."""
    if settings.force or not report_path(settings.runs, cell.key).is_file():
        report = write_report(cell, context, settings.runs)
    else:
        report = read_json(report_path(settings.runs, cell.key))
    return ", ".join(f"{name} {100 * report['metrics'][name]:.1f}" for name in report["headline"])


def _worn(device: torch.device) -> str:
    """Say what a stage left on the device: the next one starts from nothing, or elsewhere."""
    if device.type != "cuda":
        return ""
    gc.collect()
    torch._C._cuda_clearCublasWorkspaces()  # torch's own, which it keeps
    torch.cuda.empty_cache()
    left = torch.cuda.memory_allocated(device)
    return f"{left / 1e6:.0f} MB stayed allocated on {device}" if left else ""


def answer_devices(connection: Connection, text: str) -> None:
    """Send the devices that --device names, or what is wrong with it: a process' only work."""
    try:
        answer: list[str] | UsageError = devices(text)
    except UsageError as error:
        answer = error
    with suppress(OSError):  # who asked was stopped meanwhile
        connection.send(answer)
