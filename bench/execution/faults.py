"""Faults: what goes wrong under way, and what comes of it: another try, or cells that fail."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.execution import failures
from bench.execution.artifacts import Artifacts
from bench.execution.graph import ENDED, FAILED, Graph
from bench.execution.leases import BusyError, Leases
from bench.execution.messages import Damaged, Died, Failed, Task, Unfit
from bench.execution.others import Others
from bench.execution.work import name_of, title, work_of
from bench.progress import Progress

DEATHS = 2
"""Workers that a stage may cost, before it is taken to be its fault."""


@dataclass
class Faults:
    """What went wrong in a run so far."""

    graph: Graph
    others: Others
    leases: Leases
    artifacts: Artifacts
    progress: Progress
    runs: Path
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Label and message of each cell that did."""
    trouble: Counter[str] = field(default_factory=Counter)
    """How often a stage cost a worker, or was found damaged."""
    unfit: Unfit = field(default_factory=lambda: Unfit("", "", ""))
    """Why a device could not be had."""

    def lost(self, task: Task, died: Died) -> None:
        """A worker's process ended: try its stage once more."""
        node = self.graph.nodes[task.name]
        self.trouble[task.name] += 1
        what, log = title(node.stage), f"log/{task.name}.log"
        failed = failures.killed(task.name, what, died.exit_code, log)
        if self.trouble[task.name] >= DEATHS:
            self.fail(task.name, failed)
        else:
            how = failures.ending(died.exit_code)
            self.progress.note(f"the worker {how} while {what}: it is tried again")
            self.graph.again(node)

    def damaged(self, task: Task, found: Damaged) -> None:
        """An artifact is not what was written: have it computed again, once."""
        work, node = work_of(found.stage), self.graph.nodes[task.name]
        before = self.graph.nodes.get(name_of(work), node)
        if before is not node and before.state not in ENDED:
            self.graph.again(node)  # another has found it out, and it is being mended
            return
        trouble = f"damaged {name_of(found.stage)}"
        if self.trouble[trouble] or before.state == FAILED:
            failed = Failed("DamagedError", f"{found.message}, again", "", before.name)
            self.fail(before.name, failed)
            self.fail(task.name, failed)
            return
        try:
            with self.leases.holding(name_of(work), f"clearing {title(work)}"):
                self.artifacts.discard_damaged(found.stage)
        except BusyError as error:  # another run mends it
            self.others.leave(node, error)
            return
        self.trouble[trouble] += 1
        self.progress.note(f"{found.message}; it is computed again")
        self.graph.reopen(work)
        self.graph.again(node)

    def refused(self, task: Task, unfit: Unfit) -> None:
        """A device could not be had: its stage is another's to do."""
        self.progress.note(unfit.message)
        self.unfit = unfit
        self.graph.again(self.graph.nodes[task.name])

    def give_up(self) -> None:
        """Fail what is left: no device can be had."""
        for node in self.graph.ready():
            failed = Failed(self.unfit.error, self.unfit.message, self.unfit.traceback, node.name)
            self.fail(node.name, failed)
        self.others.look_again()

    def fail(self, name: str, failed: Failed) -> None:
        """A stage cannot be done: record it for every cell that it costs."""
        lost = self.graph.fail(name)
        failures.record(lost, failed, self.runs)
        for cell in lost:
            self.failed.append((cell.job.label, failed.message))
            self.progress.cell(cell.job.label, f"FAILED: {failed.message}")
