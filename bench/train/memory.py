"""Cross-batch memory (Wang et al. 2020, arXiv 1912.06798): descriptors of the last batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from registry.losses.labelled import Labelled

SPARE = 8
"""A room has a row more for so many of the size: how seldom everything is copied."""


class CrossBatchMemory:
    """A first-in, first-out queue of detached descriptors.

    An image is no pair with an earlier copy of itself: losses mask it by identity. The content is a
    window, the oldest first, that slides through a larger room: a batch is written behind it, and
    nothing else moves until the room ends and the window goes on in a new one.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.content: Labelled | None = None
        """Set it to what it was before to take back what was added since."""
        self._room: Labelled | None = None

    def add(self, batch: Labelled) -> None:
        """Enqueue a batch, and forget the oldest descriptors beyond the size."""
        if self.size == 0:
            return
        new = _last(batch._replace(descriptors=batch.descriptors.detach()), self.size)
        count = len(new.labels)
        if not self._holds_behind(count):
            self._move(new)
        start, end = self._window()
        _copy(new, self._parts(slice(end, end + count)))
        end += count
        self.content = self._parts(slice(max(start, end - self.size), end))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """A checkpoint's part."""
        content = self.content
        return {name: getattr(content, name) for name in Labelled._fields[:3]} if content else {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a checkpoint holds beside the tensors, for JSON: the window's rows, the room's."""
        return {"window": self._window(), "rows": len(self._room.labels) if self._room else 0}

    def put_back(
        self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], device: torch.device
    ) -> None:
        """Go on from a checkpoint's tensors and facts, laid out as they were.

        A product's last bit may depend on where its operands start.
        """
        self.content = self._room = None
        if tensors:
            kept = Labelled(*(tensors[name].to(device) for name in Labelled._fields[:3]))
            self._room = _empty(kept, facts["rows"])
            self.content = self._parts(slice(*facts["window"]))
            _copy(kept, self.content)

    def _window(self) -> tuple[int, int]:
        """Return the rows of its room that are the content."""
        if self.content is None:
            return 0, 0
        start = int(self.content.labels.storage_offset())
        return start, start + len(self.content.labels)

    def _parts(self, rows: slice) -> Labelled:
        assert self._room is not None
        return Labelled(*(part[rows] for part in self._room[:3]))

    def _holds_behind(self, count: int) -> bool:
        """Whether there are so many rows behind the content, which may be of an earlier room."""
        room, content = self._room, self.content
        if room is None or (content and not _share(room.labels, content.labels)):
            return False
        return self._window()[1] + count <= len(room.labels)

    def _move(self, new: Labelled) -> None:
        """Take a new room, and what will be left of the content beside a batch with it."""
        kept, count = self.content, len(new.labels)
        self._room = _empty(new, self.size + max(self.size // SPARE, count))
        left = _last(kept, self.size - count) if kept else None
        self.content = None
        if left is not None:
            self.content = self._parts(slice(0, len(left.labels)))
            _copy(left, self.content)


def _last(labelled: Labelled, count: int) -> Labelled:
    """Return the last rows, without the tuples that they were of."""
    first = max(0, len(labelled.labels) - count)
    return Labelled(*(part[first:] for part in labelled[:3]))


def _copy(source: Labelled, to: Labelled) -> None:
    for values, part in zip(source[:3], to[:3], strict=True):
        part.copy_(values)


def _empty(like: Labelled, rows: int) -> Labelled:
    return Labelled(*(part.new_empty((rows, *part.shape[1:])) for part in like[:3]))


def _share(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
