"""Workers that are threads or forks of this process, so that tests can change what they do."""

import threading
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import Pipe, get_context

from bench.execution.entry import be_worker
from bench.execution.pool import Pool
from bench.execution.worker import begin, serve
from bench.stop import Stop


class Thread:
    """Stands for a worker's process: it cannot be killed, and need not be."""

    pid = None

    def __init__(self, work):
        self.exitcode = None
        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def join(self, timeout=None):
        self.thread.join(timeout)


@contextmanager
def not_logged(path):
    yield


def start(settings, device):
    """Start a worker that does its tasks here."""
    ours, theirs = Pipe()

    def work():
        with suppress(EOFError, KeyboardInterrupt, OSError), theirs:
            context = begin(settings, device, theirs.send, Stop())
            serve(theirs.recv, theirs.send, context, settings, not_logged)

    return Thread(work), ours


InlinePool = partial(Pool, start=start)


def forked(settings, device):
    """Start a worker that is forked from this process, with all that was changed in it."""
    ours, theirs = Pipe()

    def work():
        ours.close()  # a fork holds its parent's end of the pipe too
        be_worker(theirs, settings, device)

    process = get_context("fork").Process(target=work)
    process.start()
    theirs.close()
    return process, ours


ForkedPool = partial(Pool, start=forked)
