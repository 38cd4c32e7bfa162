"""Local: a run works through a plan on the devices of one machine, each stage once.

The stages themselves are computed by worker processes. Other runs may work in the same folder: what
one of them is at is left to it, and its cells come later.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bench.execution import failures
from bench.execution.artifacts import Artifacts, FolderGoneError
from bench.execution.graph import ENDED, FAILED, WAITING, Graph, Node
from bench.execution.leases import CLEANING, RENEWAL, BusyError, Leases
from bench.execution.messages import (
    Advanced,
    Begun,
    Damaged,
    Died,
    Done,
    Ended,
    Failed,
    Message,
    Note,
    Task,
    Unfit,
)
from bench.execution.pool import Pool, Worker
from bench.execution.relay import Shown
from bench.execution.work import artifacts_of, is_done, name_of, title, work_of
from bench.identity import Extraction, Model, Stage
from bench.plan import Plan, Planned
from bench.progress import Progress
from bench.stop import Stop
from results.store import report_path

LOOK_EVERY = 1.0
"""Seconds between two looks at what others are at."""
DEATHS = 2
"""Workers that a stage may cost, before it is taken to be its fault."""


@dataclass(frozen=True)
class Options:
    """How a plan is run."""

    force: bool
    """Do again even what is done."""
    keep_going: bool


@dataclass(frozen=True)
class Outcome:
    """What became of the cells."""

    finished: int
    already_done: int
    """Before, or by another run meanwhile."""
    failed: Sequence[tuple[str, str]]
    """Label and message of each."""


def run_plan(plan: Plan, pool: Pool, progress: Progress, options: Options, stop: Stop) -> Outcome:
    """Do every cell that has no report; with keep_going a failed cell does not stop the others.

    Cells that need a stage that failed fail with it, without trying it again. Raises Interrupted
    when asked to stop, after workers have left their checkpoints.
    """
    settings = pool.settings
    with Leases(settings.runs, say=progress.note) as leases:
        _wait_for_cleaning(leases, progress)
        run = Run(plan, pool, progress, options, leases, Artifacts(settings.runs))
        try:
            run.work_through()
            if pool.at_work:  # of a run that fails fast
                run.wind_up(stop)
                stop.interrupt()
        except KeyboardInterrupt:
            run.wind_up(stop)
            raise
        finally:
            run.close()
    return Outcome(run.finished, run.already, run.failed)


def _wait_for_cleaning(leases: Leases, progress: Progress) -> None:
    """Begin when nobody removes what nothing needs; one that died at it is waited for a minute."""
    told = False
    while lease := leases.busy(CLEANING):
        if not told:
            progress.note(f"waiting for {lease.what}, by {lease.owner}")
        told = True
        time.sleep(LOOK_EVERY)


@dataclass
class Run:
    """A plan under way."""

    plan: Plan
    pool: Pool
    progress: Progress
    options: Options
    leases: Leases
    artifacts: Artifacts
    finished: int = 0
    already: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    """Names of stages done in this run."""
    forgotten: set[str] = field(default_factory=set)
    """Names of stages of which nothing of earlier runs is left (--force)."""
    busy: dict[str, BusyError] = field(default_factory=dict)
    """Names of stages that other runs are at."""
    trouble: Counter[str] = field(default_factory=Counter)
    """How often a stage cost a worker, or was found damaged."""
    shown: dict[Worker, Shown] = field(default_factory=dict)
    unfit: Unfit = field(default_factory=lambda: Unfit("", "", ""))
    """Why a device could not be had."""

    def __post_init__(self) -> None:
        self.runs = self.pool.settings.runs
        self.poolings = self.plan.poolings()

    def work_through(self) -> None:
        """Hand out what can be done until nothing is left; wait for other runs where need be."""
        self._begin_run()
        told, looked = "", time.monotonic()
        while self.graph.left and (self.options.keep_going or not self.failed):
            if self.busy and time.monotonic() - looked >= LOOK_EVERY:
                self._look_again()
                looked = time.monotonic()
            self._hand_out()
            if not self.pool.devices:
                self._give_up()
            elif self.pool.at_work:
                for worker, message in self.pool.hear(LOOK_EVERY if self.busy else RENEWAL):
                    self._heard(worker, message)
                if not self.leases.there:
                    raise FolderGoneError(self.leases.root)
            elif self.busy:
                told, looked = self._wait(told), 0.0

    def _begin_run(self) -> None:
        """Find out what is left, and say what is not."""
        self.artifacts.prepare()
        before: set[str] = set()
        if self.options.force:
            shutil.rmtree(self.runs / "cache", ignore_errors=True)
        else:
            before = {cell.key for cell in self.plan.done(self.runs)}
        self.graph = Graph([c for c in self.plan.cells if c.key not in before], self._there)
        for cell in self.plan.cells:
            if cell.key in before:
                self.already += 1
                self._over(cell, "done before")

    def wind_up(self, stop: Stop) -> None:
        """Have trainings write their checkpoints; a second Ctrl-C does not wait for that."""
        with suppress(KeyboardInterrupt), stop.deferred():
            self.pool.stop()
            while self.pool.at_work:
                for worker, message in self.pool.hear(None):
                    task = worker.task
                    if isinstance(message, Begun | Advanced | Ended | Note):
                        self._shown(worker).hear(message)
                        continue
                    self._release(worker)
                    if isinstance(message, Done) and task:
                        self._ended(task, message)
                    elif isinstance(message, Died | Failed | Unfit):
                        self.pool.retire(worker)

    def close(self) -> None:
        """End the workers, at once those that are at something."""
        for shown in self.shown.values():
            shown.close()
        workers = list(self.pool.workers)
        self.pool.close()
        for worker in workers:
            with suppress(FolderGoneError):
                worker.held.close()

    def _there(self, stage: Stage, cells: Sequence[Planned]) -> bool:
        """Whether nothing is to be done for a stage and the cells that are reported with it."""
        trained = not isinstance(stage, Model) or stage.training is not None
        if self.options.force and trained and name_of(stage) not in self.made:
            return False
        return is_done(stage, self.poolings, self.artifacts) and (
            all(report_path(self.runs, cell.key).is_file() for cell in cells)
        )

    def _hand_out(self) -> None:
        """Give tasks to as many workers as there are."""
        for node in self.graph.ready() if self.pool.room else ():
            self._begin(node)
            if not self.pool.room:
                break

    def _begin(self, node: Node) -> None:
        """Have a worker do a stage, unless another run is at it or has done it."""
        worker = self.pool.idle()
        try:
            worker.held.enter_context(self.leases.holding(node.name, title(node.stage)))
        except BusyError as error:
            self.busy[node.name] = error
            self.graph.hold(node)
            return
        self.artifacts.look_again()
        if self._there(node.stage, node.cells):
            self._release(worker)
            self._done(node, {})
            return
        if self.options.force and node.name not in self.forgotten:
            self._forget(node.stage)
            self.forgotten.add(node.name)
        stage = node.stage
        poolings = self.poolings[stage] if isinstance(stage, Extraction) else ()
        self.graph.begin(node)
        worker.give(Task(node.name, stage, poolings, node.cells))

    def _forget(self, stage: Stage) -> None:
        """Drop what earlier runs left of a stage."""
        for kept in artifacts_of(stage, self.poolings):
            self.artifacts.discard(kept)
        if isinstance(stage, Model):
            shutil.rmtree(self.artifacts.checkpoint(stage), ignore_errors=True)

    def _look_again(self) -> None:
        """Have another try at what other runs are at."""
        for node in map(self.graph.nodes.__getitem__, self.busy):
            if node.state == WAITING:
                self.graph.again(node)
        self.busy.clear()

    def _wait(self, told: str) -> str:
        """Wait until another run has ended something; say what for, unless that was told."""
        held = {error.name: error for error in self.busy.values()}
        text = "waiting for " + "; ".join(sorted({str(error) for error in held.values()}))
        if text != told:
            self.progress.note(text)
        while all(self._same(error) for error in held.values()):
            time.sleep(LOOK_EVERY)
        return text

    def _same(self, error: BusyError) -> bool:
        now = self.leases.busy(error.name)
        return now is not None and now.owner == error.lease.owner

    def _heard(self, worker: Worker, message: Message) -> None:
        """Take in what a worker said."""
        shown, task = self._shown(worker), worker.task
        if isinstance(message, Begun | Advanced | Ended | Note):
            shown.hear(message)
            told = shown.told()
            if task and told:
                self.leases.tell(task.name, told)
            return
        self.shown.pop(worker).close()
        if isinstance(message, Unfit):
            self.pool.drop(worker)
        elif isinstance(message, Died | Failed) or (isinstance(message, Done) and message.worn):
            self.pool.retire(worker)
        self._release(worker)
        if task:
            self._ended(task, message)

    def _ended(self, task: Task, message: Done | Damaged | Failed | Died | Unfit) -> None:
        """Take in what became of a task."""
        match message:
            case Done():
                self.made.add(task.name)
                self._done(self.graph.nodes[task.name], message.outcomes)
                if message.worn:
                    self.progress.note(f"{message.worn}: another worker takes over")
            case Damaged():
                self._damaged(task, message)
            case Died():
                self._lost(task, message)
            case Unfit():
                self.progress.note(message.message)
                self.unfit = message
                self.graph.again(self.graph.nodes[task.name])
            case Failed() if message.gone:
                raise FolderGoneError(self.artifacts.root)
            case Failed():
                self._fail(message.blamed, message)
                self._fail(task.name, message)

    def _shown(self, worker: Worker) -> Shown:
        return self.shown.setdefault(worker, Shown(self.progress))

    def _release(self, worker: Worker) -> None:
        """Give the lease on a worker's stage back."""
        worker.task = None
        worker.held.close()

    def _done(self, node: Node, outcomes: Mapping[str, str]) -> None:
        """A stage is there, and so are the reports that end with it."""
        if node.state in ENDED:
            return
        self.graph.finish(node)
        for cell in node.cells:
            outcome = outcomes.get(cell.key)
            self.finished += outcome is not None
            self.already += outcome is None
            self._over(cell, "done by another run" if outcome is None else outcome)

    def _over(self, cell: Planned, outcome: str) -> None:
        self.progress.cell(cell.job.label, outcome)

    def _lost(self, task: Task, died: Died) -> None:
        """A worker's process ended: try its stage once more."""
        node = self.graph.nodes[task.name]
        self.trouble[task.name] += 1
        what, log = title(node.stage), f"log/{task.name}.log"
        failed = failures.killed(task.name, what, died.exit_code, log)
        if self.trouble[task.name] >= DEATHS:
            self._fail(task.name, failed)
        else:
            self.progress.note(f"{failures.ending(died.exit_code)} while {what}: it is tried again")
            self.graph.again(node)

    def _damaged(self, task: Task, found: Damaged) -> None:
        """An artifact is not what was written: have it computed again, once."""
        work, node = work_of(found.stage), self.graph.nodes[task.name]
        before = self.graph.nodes.get(name_of(work), node)
        if before is not node and before.state not in ENDED:
            self.graph.again(node)  # another has found it out, and it is being mended
            return
        trouble = f"damaged {name_of(found.stage)}"
        if self.trouble[trouble] or before.state == FAILED:
            failed = Failed("DamagedError", f"{found.message}, again", "", before.name)
            self._fail(before.name, failed)
            self._fail(task.name, failed)
            return
        try:
            with self.leases.holding(name_of(work), f"clearing {title(work)}"):
                self.artifacts.discard_damaged(found.stage)
        except BusyError as error:  # another run mends it
            self.busy[task.name] = error
            self.graph.hold(node)
            return
        self.trouble[trouble] += 1
        self.progress.note(f"{found.message}; it is computed again")
        self.graph.reopen(work)
        self.graph.again(node)

    def _give_up(self) -> None:
        """Fail what is left: no device can be had."""
        for node in self.graph.ready():
            failed = Failed(self.unfit.error, self.unfit.message, self.unfit.traceback, node.name)
            self._fail(node.name, failed)
        self._look_again()

    def _fail(self, name: str, failed: Failed) -> None:
        """A stage cannot be done: record it for every cell that it costs."""
        lost = self.graph.fail(name)
        failures.record(lost, failed, self.runs)
        for cell in lost:
            self.failed.append((cell.job.label, failed.message))
            self._over(cell, f"FAILED: {failed.message}")
