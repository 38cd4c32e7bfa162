"""Ranks: processes that train one network together, started and looked after by a worker.

The worker is none of them: one whose peer is gone may be stuck where only SIGKILL ends it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

from torch import distributed as dist

from bench.execution.artifacts import read_json, write_json
from bench.execution.failures import ending
from bench.execution.messages import Advanced, Begun, Ended, Failed, Message, Note, Settings
from bench.execution.relay import Shown
from bench.execution.work import name_of
from bench.identity import Model, Training
from bench.processes import importing_as_here, without_interrupts
from bench.stages.context import Context
from bench.stop import Stop
from registry.errors import WorkError

ENTRY = "bench.train.rank"
HOST = "127.0.0.1"
GRACE = 2.0
"""Seconds that the others have to end by themselves, after one that failed."""
LOOK_EVERY = 0.2
"""Seconds between two looks whether to stop."""
FOLLOWED = "LostRankError"
"""Of one that only heard of another's end."""


class RankFailedError(WorkError):
    """A rank told why it failed."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


@dataclass(eq=False)
class Rank:
    """One process, as the worker sees it."""

    number: int
    device: str
    process: subprocess.Popen[bytes]
    connection: Connection
    failed: Failed | None = None
    exit_code: int | None = None

    def hear(self) -> Iterator[Message]:
        """Yield what it has said; its end is noted."""
        try:
            while not self.connection.closed and self.connection.poll():
                yield self.connection.recv()
        except (EOFError, OSError):
            self.connection.close()
            self.exit_code = self.process.wait()

    def end(self) -> None:
        """End it at once, if it has not ended."""
        self.process.kill()
        self.process.wait()
        self.connection.close()


def launch(model: Model, settings: Settings, context: Context) -> None:
    """Have a network trained by a process on each of a context's devices.

    Raises RankFailedError with what one of them told, WorkError where one ended without a word,
    Interrupted when asked to stop, after the first has left its checkpoint.
    """
    order = settings.runs / "log" / f"{name_of(model)}.json"
    write_order(order, model, settings)
    store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    shown, ranks = Shown(context.progress), list[Rank]()
    try:
        with context.stop.deferred():
            for number, device in enumerate(context.devices):
                about = _about(number, len(context.devices), store.port)
                ranks.append(_start(number, device, order, about))
            _supervise(ranks, shown, context.stop)
    finally:
        for rank in ranks:
            rank.end()
        shown.close()


def write_order(path: Path, model: Model, settings: Settings) -> None:
    """Write down what ranks are to do, beside their log."""
    content = {"model": asdict(model), "settings": asdict(settings)}
    write_json(path, json.loads(json.dumps(content, default=str)))


def read_order(path: Path) -> tuple[Model, Settings]:
    """Read what a rank is to do."""
    content = read_json(path)
    model, settings = Model(**content["model"]), Settings(**content["settings"])
    training = Training(**content["model"]["training"])
    runs, data, here = Path(settings.runs), Path(settings.data), Path(settings.here)
    return replace(model, training=training), replace(settings, runs=runs, data=data, here=here)


def _about(number: int, size: int, port: int) -> dict[str, str]:
    """Name a rank and where they meet, as torchrun does; the worker keeps the place."""
    about = {
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": HOST,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
    }
    # the host's name need not lead to an address of its own
    return about | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})


def _start(number: int, device: str, order: Path, about: dict[str, str]) -> Rank:
    ours, theirs = Pipe()
    options = ["--order", str(order), "--device", device, "--pipe", str(theirs.fileno())]
    with theirs, without_interrupts():
        process = subprocess.Popen(
            [sys.executable, "-m", ENTRY, *options],
            env={**os.environ, **importing_as_here(), **about},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return Rank(number, device, process, ours)


def _supervise(ranks: Sequence[Rank], shown: Shown, stop: Stop) -> None:
    """Hear all until they have ended, or have had their time after one that failed."""
    told_to_stop, until = False, float("inf")
    while at_work := [rank for rank in ranks if rank.exit_code is None]:
        if stop.asked and not told_to_stop:
            for rank in at_work:
                rank.process.send_signal(signal.SIGTERM)
            told_to_stop = True
        wait([rank.connection for rank in at_work], LOOK_EVERY)
        for rank in at_work:
            _hear(rank, shown)
        if until == float("inf") and any(rank.exit_code for rank in ranks):
            until = time.monotonic() + GRACE
        writing = told_to_stop and ranks[0].exit_code is None
        if time.monotonic() > until and not writing:
            break
    stop.interrupt()
    _judge([rank for rank in ranks if rank.exit_code])


def _hear(rank: Rank, shown: Shown) -> None:
    for message in rank.hear():
        if isinstance(message, Failed):
            rank.failed = rank.failed or message
        elif isinstance(message, Begun | Advanced | Ended | Note):
            shown.hear(message)


def _judge(failed: Sequence[Rank]) -> None:
    """Raise what explains the most: a reason, an end without a word, the loss of another."""
    reasons = [rank.failed for rank in failed if rank.failed]
    for reason in reasons:
        if reason.error != FOLLOWED:
            raise RankFailedError(reason)
    for rank in failed:
        if rank.failed is None:
            signalled = rank.exit_code is not None and rank.exit_code < 0
            hint = "most often memory ran out: see dmesg" if signalled else "see the log"
            raise WorkError(
                f"rank {rank.number} ({rank.device}) of the training {ending(rank.exit_code)}; "
                f"{hint}, then run again"
            )
    for reason in reasons:
        raise RankFailedError(reason)
