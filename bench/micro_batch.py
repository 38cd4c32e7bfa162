"""How many images go through a network at once: fewer where memory is short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from bench.out_of_memory import forget, is_out_of_memory
from registry.errors import WorkError

T = TypeVar("T")


@dataclass
class MicroBatch:
    """A number of images that is halved, for good, each time that memory does not hold them."""

    size: int
    device: torch.device
    name: str
    """Of what is done with the images."""
    record: Callable[[str], None]
    """Told of each lowering."""
    fix: str
    """What the user can do where nothing fits."""
    whole: str = ""
    """Why all images have to go at once; empty if they need not."""

    def fit(self, images: int, attempt: Callable[[int], T]) -> T:
        """Try with as many images at once as memory holds, of so many that there are.

        An attempt is made again from its beginning. Raises WorkError where one image is too much,
        or less than all of them not allowed.
        """
        while True:
            tried = min(self.size, images)
            try:
                return attempt(tried)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
            forget(self.device)
            self._lower(tried, reason)

    def _lower(self, tried: int, reason: str) -> None:
        """Halve what was tried."""
        about = f"{self.name}: out of memory on {self.device}"
        if tried == 1:
            raise WorkError(f"{about} with one image at a time ({reason}): {self.fix}")
        if self.whole:
            raise WorkError(f"{about} with {tried} images ({reason}), and {self.whole}: {self.fix}")
        self.size = tried // 2
        self.record(f"{about}, goes on with {self.size} images at once instead of {tried}")
