"""Shards: a plan dealt to several runs that need not see each other, sharing no expensive work.

Cells that share a training stay together; of networks that are not trained, those that share a pass
over evaluated images, distractors among them. What is left to be done twice, where shards have run
folders of their own, is cheap or rare: a PCA may be fitted in two shards, on one pass over its
training images each. Shards of one run folder do not even that: they hold leases.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.identity import Stage, key_of
from bench.plan import Planned


def groups(cells: Sequence[Planned]) -> list[list[Planned]]:
    """Cells that must stay in one shard, in the order of their first ones."""
    above: dict[str, str] = {}
    for cell in cells:
        first, *others = map(key_of, _expensive(cell))
        for other in others:
            above[_top(other, above)] = _top(first, above)
    found: dict[str, list[Planned]] = {}
    for cell in cells:
        found.setdefault(_top(key_of(_expensive(cell)[0]), above), []).append(cell)
    return list(found.values())


def of_shard(cells: Sequence[Planned], index: int, number: int) -> list[Planned]:
    """The cells of one shard, counted from 1: groups are dealt in turn, as cards are."""
    mine = {cell.key for group in groups(cells)[index - 1 :: number] for cell in group}
    return [cell for cell in cells if cell.key in mine]


def _expensive(cell: Planned) -> list[Stage]:
    model = cell.scores.descriptors.features.extraction.model
    if model.training:
        return [model]
    return [part.features.extraction for part in cell.scores.parts()]


def _top(key: str, above: dict[str, str]) -> str:
    while above.get(key, key) != key:
        key = above[key]
    return key
