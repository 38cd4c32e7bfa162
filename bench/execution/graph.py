"""Graph: the stages that a plan still needs, in which order they can be done, and what fails.

A stage is wanted when a cell without a report rests on it, and it is not there. What turns out to
be gone or damaged when it is read is wanted again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bench.execution.work import inputs_of, name_of
from bench.identity import Stage
from bench.plan import Planned

DONE, WAITING, READY, AT_WORK, FAILED = "done", "waiting", "ready", "at work", "failed"
ENDED = (DONE, FAILED)
OF_DATASET = ("dataset", "train", "transform", "crop")
"""Axes whose default is the data set's own."""


@dataclass
class Node:
    """One stage, and what it waits for."""

    name: str
    stage: Stage
    rank: tuple[int, int]
    """Place of the first cell that needs it, and of itself among those met."""
    cells: Sequence[Planned]
    """Those that are reported with it."""
    state: str = DONE
    inputs: list[str] = field(default_factory=list)
    needed_by: dict[str, None] = field(default_factory=dict)
    """In the order met."""
    missing: set[str] = field(default_factory=set)
    """Inputs that are not there yet."""


class Graph:
    """What is left of a plan.

    done tells whether nothing is to be done for a stage and the cells that are reported with it.
    """

    def __init__(
        self, cells: Iterable[Planned], done: Callable[[Stage, Sequence[Planned]], bool]
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self._done = done
        self._ready: list[tuple[tuple[int, int], str]] = []
        self._names: dict[Stage, str] = {}
        self._open = 0
        ending: dict[Stage, list[Planned]] = {}
        for cell in by_rows(cells):
            ending.setdefault(cell.scores, []).append(cell)
        for place, (scores, ended) in enumerate(ending.items()):
            self._met(scores, place, ended)

    @property
    def left(self) -> bool:
        """Whether there is anything that is neither done nor failed."""
        return self._open > 0

    def ready(self) -> Iterator[Node]:
        """Take out the stages that can be done now, those of the first cells first.

        Each is to be handed out (begin), found done (finish), or put back (again).
        """
        while self._ready:
            _, name = heapq.heappop(self._ready)
            node = self.nodes[name]
            if node.state == READY:
                yield node

    def begin(self, node: Node) -> None:
        """A stage is being done."""
        node.state = AT_WORK

    def hold(self, node: Node) -> None:
        """A stage that is not to be handed out until again() is called."""
        node.state = WAITING

    def again(self, node: Node) -> None:
        """A stage is not done after all: it waits for its turn, and for inputs that are gone."""
        if node.state in ENDED:
            return
        node.state = WAITING
        node.missing = {name for name in node.inputs if self.nodes[name].state not in ENDED}
        if not node.missing:
            self._push(node)

    def finish(self, node: Node) -> None:
        """A stage is there: what waits for it may be ready."""
        if node.state in ENDED:
            return
        node.state = DONE
        self._open -= 1
        for name in node.needed_by:
            later = self.nodes[name]
            later.missing.discard(node.name)
            if later.state == WAITING and not later.missing:
                self._push(later)

    def reopen(self, stage: Stage) -> None:
        """What was there is there no longer: it is wanted again."""
        node = self._met(stage, 0)
        if node.state != DONE:
            return
        self._want(node)
        for name in node.needed_by:
            later = self.nodes[name]
            if node.state != DONE and later.state in (WAITING, READY):
                later.missing.add(node.name)
                later.state = WAITING

    def fail(self, name: str) -> list[Planned]:
        """A stage cannot be done, nor what rests on it; return the cells that are lost."""
        lost: list[Node] = []
        left = [self.nodes[name]]
        while left:
            node = left.pop()
            if node.state not in ENDED:
                self._open -= 1
                lost.append(node)
            node.state = FAILED
            left += [
                self.nodes[later]
                for later in node.needed_by
                if self.nodes[later].state in (WAITING, READY)
            ]
        return [cell for node in sorted(lost, key=lambda node: node.rank) for cell in node.cells]

    def _met(self, stage: Stage, place: int, cells: Sequence[Planned] = ()) -> Node:
        """Return a stage's node; one that is new is wanted, unless it is there."""
        name = self._names.get(stage)
        if name is not None:
            return self.nodes[name]
        name = self._names[stage] = name_of(stage)
        node = self.nodes[name] = Node(name, stage, (place, len(self.nodes)), cells)
        self._want(node)
        return node

    def _want(self, node: Node) -> None:
        """Have a stage done, and first what it reads, unless it is there."""
        if self._done(node.stage, node.cells):
            return
        node.state = WAITING
        self._open += 1
        before = [self._met(stage, node.rank[0]) for stage in inputs_of(node.stage)]
        for one in before:
            one.needed_by[node.name] = None
        node.inputs = [one.name for one in before]
        self.again(node)

    def _push(self, node: Node) -> None:
        node.state = READY
        heapq.heappush(self._ready, (node.rank, node.name))


def by_rows(cells: Iterable[Planned]) -> list[Planned]:
    """Cells in the order of their table rows: all data sets of one variant, then the next."""
    rows: dict[tuple[object, ...], list[Planned]] = {}
    for cell in cells:
        values = cell.job.values()
        row = tuple(value for axis, value in values.items() if axis not in OF_DATASET)
        rows.setdefault(row, []).append(cell)
    return [cell for row in rows.values() for cell in row]
