"""Others: the stages that other runs in the same folder are at, which come here when they end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bench.execution.graph import WAITING, Graph, Node
from bench.execution.leases import CLEANING, BusyError, Leases
from bench.progress import Progress

LOOK_EVERY = 1.0
"""Seconds between two looks at what others are at."""


@dataclass
class Others:
    """What is left to other runs for now."""

    graph: Graph
    leases: Leases
    progress: Progress
    busy: dict[str, BusyError] = field(default_factory=dict)
    """Names of stages that have to wait -> who is at what they wait for."""
    looked: float = field(default_factory=time.monotonic)
    told: str = ""
    """What was last said to be waited for."""

    def leave(self, node: Node, error: BusyError) -> None:
        """Leave a stage to who is at it, or at what it needs."""
        self.busy[node.name] = error
        self.graph.hold(node)

    def look_now_and_then(self) -> None:
        """Have another try at what others are at, if the last was a while ago."""
        if self.busy and time.monotonic() - self.looked >= LOOK_EVERY:
            self.look_again()
            self.looked = time.monotonic()

    def look_again(self) -> None:
        """Have another try at what others are at."""
        for node in map(self.graph.nodes.__getitem__, self.busy):
            if node.state == WAITING:
                self.graph.again(node)
        self.busy.clear()

    def wait(self) -> None:
        """Wait until one of them has ended something; say what for, unless that was told."""
        held = {error.name: error for error in self.busy.values()}
        text = "waiting for " + "; ".join(sorted({str(error) for error in held.values()}))
        if text != self.told:
            self.progress.note(text)
        while all(self._same(error) for error in held.values()):
            time.sleep(LOOK_EVERY)
        self.told, self.looked = text, 0.0

    def _same(self, error: BusyError) -> bool:
        now = self.leases.busy(error.name)
        return now is not None and now.owner == error.lease.owner


def wait_for_cleaning(leases: Leases, progress: Progress) -> None:
    """Begin when nobody removes what nothing needs; one that died at it is waited for a minute."""
    told = False
    while lease := leases.busy(CLEANING):
        if not told:
            progress.note(f"waiting for {lease.what}, by {lease.owner}")
        told = True
        time.sleep(LOOK_EVERY)
