"""Rank: one of the processes that train a network together, started by a worker or by torchrun.

    torchrun --nproc-per-node 8 -m bench.train.rank --order RUNS/log/model-KEY.json

Which of them it is and where they meet is in the variables that torchrun sets; what they do is in
the order that a run with --device cuda:0+cuda:1 leaves beside the log. Only the first of them tells
how it goes, writes checkpoints and leaves the artifact; with torchrun it holds the lease as well.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from bench.execution.leases import BusyError, Leases
from bench.execution.messages import Message
from bench.execution.ranks import read_order
from bench.execution.work import name_of, title
from bench.execution.worker import Lossy, begin, failure
from bench.identity import Model
from bench.options import INTERRUPTED
from bench.progress import Silent
from bench.stages.context import Context
from bench.stages.weights import train_weights
from bench.stop import Interrupted, Stop
from bench.tracking.tracker import UNTRACKED
from bench.train.group import Group, joined
from registry.errors import WorkError

Send = Callable[[Message], None]


def main(arguments: Sequence[str]) -> int:
    """Be a rank: the whole life of its process; returns its exit code."""
    options = _read(arguments)
    send = _nobody if not options.pipe else _to_worker(Connection(options.pipe))
    model, settings = read_order(options.order)
    os.chdir(settings.here)
    stop = Stop()
    try:
        with stop.listening(), _telling(send, model):
            context = begin(settings, options.device or _own_device(), send, stop)
            context.measure(_log_of(model))
            with nullcontext() if options.pipe else _leased(model, settings.runs):
                _train(model, context, send)
    except KeyboardInterrupt as asked:
        return asked.exit_code if isinstance(asked, Interrupted) else INTERRUPTED
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.train.rank", allow_abbrev=False)
    parser.add_argument("--order", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--device", help="cpu or cuda:N; that of its number among those here")
    parser.add_argument("--pipe", type=int, help="to the worker that started it")
    return parser.parse_args(arguments)


def _train(model: Model, context: Context, send: Send) -> None:
    with joined(context.device) as group:
        if not group.first:
            context.progress, context.tracker = Silent(), UNTRACKED
        with _telling(send, model):  # before it leaves: that may hang where another is gone
            _train_in(group, model, context)


def _train_in(group: Group, model: Model, context: Context) -> None:
    if not group.shared(lambda: context.artifacts.has(model)):
        train_weights(model, context, group)


@contextmanager
def _leased(model: Model, runs: Path) -> Iterator[None]:
    """Hold the stage's lease, which otherwise the run does whose worker started this."""
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    with Leases(runs) as leases, ExitStack() as held:
        try:
            held.enter_context(leases.holding(name_of(model), title(model)))
        except BusyError as error:
            raise WorkError(f"another run is at it ({error}): wait for its end") from error
        yield


def _own_device() -> str:
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"


def _log_of(model: Model) -> str:
    return f"log/{name_of(model)}.log"


@contextmanager
def _telling(send: Send, model: Model) -> Iterator[None]:
    """Tell why the work within failed, and end."""
    try:
        yield
    except Exception as error:  # whatever it is, the training failed of it
        traceback.print_exc()
        send(failure(error, model, _log_of(model)))
        raise SystemExit(1) from error


def _nobody(message: Message) -> None:
    """Of torchrun's ranks: what is told is printed as well."""


def _to_worker(connection: Connection) -> Send:
    """Tell a worker, whose log this prints into; end with it."""
    os.set_inheritable(connection.fileno(), False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is a run's, who has SIGTERM sent
    sys.stdout = sys.stderr = io.TextIOWrapper(Lossy(), write_through=True)
    faulthandler.enable(file=2)
    lock = threading.Lock()

    def send(message: Message) -> None:
        with lock, suppress(BrokenPipeError):
            connection.send(message)

    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    return send


def _end_with(connection: Connection) -> None:
    """Wait for the end of a worker, which says nothing: its lease may be another's by now."""
    with suppress(EOFError, OSError):
        connection.recv()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
