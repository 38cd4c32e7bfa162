"""bench.provenance, bench.processes: what a stage cost, and who hears of Ctrl-C."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from bench.execution.artifacts import Artifacts
from bench.pixels import Cache
from bench.processes import without_interrupts
from bench.progress import Lines
from bench.provenance import Meter, environment
from bench.stages.context import Context

CPU = torch.device("cpu")


def test_a_meter_counts_from_its_own_beginning():
    """Memory freed before is not in the peak, what was needed within is."""
    before = np.ones(60_000_000)
    first = Meter(CPU).computed()["peak_bytes"]
    del before
    meter = Meter(CPU)
    within = np.ones(15_000_000)
    second = meter.computed()["peak_bytes"]
    del within
    assert first > 480e6
    if os.access("/proc/self/clear_refs", os.W_OK):
        assert 120e6 < second < first - 240e6


def test_seconds_of_all_threads_and_of_the_clock():
    meter = Meter(CPU, "log/x.log")
    square = np.ones((700, 700)) @ np.ones((700, 700))
    computed = meter.computed()
    assert square.shape == (700, 700)
    assert 0 < computed["wall_seconds"] < 60
    assert 0 < computed["device_seconds"] < 60
    assert computed["started"] < computed["finished"]
    assert (computed["pid"], computed["log"]) == (os.getpid(), "log/x.log")


def test_versions_and_settings_are_told():
    told = environment(CPU)
    assert told["numpy"] == np.__version__
    assert told["faiss"]
    assert told["threads"] == torch.get_num_threads()
    assert told["deterministic"]["algorithms"] is torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        assert environment(CPU)["deterministic"]["algorithms"] is True
    finally:
        torch.use_deterministic_algorithms(False)


def test_what_was_done_otherwise_is_said_and_kept_until_the_next_stage(tmp_path):
    said = []
    progress = Lines(said.append, 1)
    context = Context(Artifacts(tmp_path), tmp_path, CPU, progress, Cache(tmp_path, 0))
    context.record("in batches of 4: out of memory")
    assert said == ["in batches of 4: out of memory"]
    assert context.meter.computed()["notes"] == said
    context.measure("log/next.log")
    assert context.meter.computed()["notes"] == []
    assert context.meter.computed()["log"] == "log/next.log"


def test_who_is_started_without_interrupts_never_hears_of_them(heard):
    wait = "import sys; print('there', flush=True); sys.stdin.read()"
    with without_interrupts():
        child = subprocess.Popen(
            [sys.executable, "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
    assert child.stdout.readline() == b"there\n"
    child.send_signal(signal.SIGINT)
    child.communicate(b"")
    assert child.returncode == 0


def test_an_interrupt_meanwhile_comes_afterwards(heard):
    reached = []

    def interrupted():
        with without_interrupts():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["the end"]
