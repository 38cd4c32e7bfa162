"""Local: a run works through a plan on the devices of one machine, each stage once.

The stages themselves are computed by worker processes. Other runs may work in the same folder: what
one of them is at is left to it, and its cells come later.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bench.execution.artifacts import Artifacts, FolderGoneError
from bench.execution.faults import Faults
from bench.execution.graph import ENDED, Graph, Node
from bench.execution.leases import RENEWAL, BusyError, Leases
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
from bench.execution.others import LOOK_EVERY, Others, wait_for_cleaning
from bench.execution.pool import Pool, Worker
from bench.execution.relay import Shown
from bench.execution.work import artifacts_of, is_done, name_of, title
from bench.identity import Extraction, Model, Stage
from bench.plan import Plan, Planned
from bench.progress import Progress
from bench.stop import Stop
from results.store import report_path


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
        wait_for_cleaning(leases, progress)
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
    return Outcome(run.finished, run.already, run.faults.failed)


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
    made: set[str] = field(default_factory=set)
    """Names of stages done in this run."""
    forgotten: set[str] = field(default_factory=set)
    """Names of stages of which nothing of earlier runs is left (--force)."""
    shown: dict[Worker, Shown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs = self.pool.settings.runs
        self.poolings = self.plan.poolings()

    def work_through(self) -> None:
        """Hand out what can be done until nothing is left; wait for other runs where need be."""
        self._begin_run()
        while self.graph.left and (self.options.keep_going or not self.faults.failed):
            self.others.look_now_and_then()
            self._hand_out()
            if not self.pool.devices:
                self.faults.give_up()
            elif self.pool.at_work:
                for worker, message in self.pool.hear(LOOK_EVERY if self.others.busy else RENEWAL):
                    self._heard(worker, message)
                if not self.leases.there:
                    raise FolderGoneError(self.leases.root)
            elif self.others.busy:
                self.others.wait()

    def _begin_run(self) -> None:
        """Find out what is left, and say what is not."""
        self.artifacts.prepare()
        before: set[str] = set()
        if self.options.force:
            shutil.rmtree(self.runs / "cache", ignore_errors=True)
        else:
            before = {cell.key for cell in self.plan.done(self.runs)}
        self.graph = Graph([c for c in self.plan.cells if c.key not in before], self._there)
        self.others = Others(self.graph, self.leases, self.progress)
        self.faults = Faults(
            self.graph, self.others, self.leases, self.artifacts, self.progress, self.runs
        )
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
            self.others.leave(node, error)
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
                self.faults.damaged(task, message)
            case Died():
                self.faults.lost(task, message)
            case Unfit():
                self.faults.refused(task, message)
            case Failed() if message.gone:
                raise FolderGoneError(self.artifacts.root)
            case Failed():
                self.faults.fail(message.blamed, message)
                self.faults.fail(task.name, message)

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
