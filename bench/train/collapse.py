"""Collapse: descriptors that come to lie in few directions, told while a training goes on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

WINDOW = 512
"""Descriptors that are looked at, the last ones."""
EVERY = 50
"""Steps between two looks."""
FALL = 0.25
"""Of the highest effective rank so far: below it, it is told."""
FLOOR = 2.0
"""Effective rank below which it is told in any case."""


def effective_rank(descriptors: Tensor) -> float:
    """Exponential of the entropy of the normalised singular values (Roy & Vetterli 2007): 1 to D.

    descriptors: (N, D). Not centred: one same vector everywhere has rank 1, whereas what is left of
    it around its mean is noise in all directions. 0 where all are zero, or there are none.
    """
    rows = descriptors.detach().double()
    gram = rows.T @ rows if len(rows) > rows.shape[1] else rows @ rows.T
    values = torch.linalg.eigvalsh(gram.cpu()).clamp(min=0).sqrt()
    total = values.sum()
    if not total > 0:
        return 0.0
    return math.exp(float(torch.special.entr(values / total).sum()))


class CollapseDetector:
    """Looks at the last descriptors of a training now and then, and warns once."""

    def __init__(
        self, warn: Callable[[str], None], *, window: int = WINDOW, every: int = EVERY
    ) -> None:
        self._warn = warn
        self._window = window
        self._every = every
        self._seen: deque[Tensor] = deque()
        self._highest = 0.0
        self._warned = False

    def see(self, step: int, descriptors: Tensor) -> float | None:
        """Take a batch's (N, D) unit descriptors after a step, the number of steps done.

        Returns the effective rank every so many steps; it is at most the number of descriptors.
        """
        self._seen.append(descriptors.detach().float())
        while sum(map(len, self._seen)) - len(self._seen[0]) >= self._window:
            self._seen.popleft()
        if step % self._every:
            return None
        rank = effective_rank(self._kept())
        self._highest = max(self._highest, rank)
        if self._fell(rank, descriptors.shape[1]) and not self._warned:
            self._warned = True
            self._warn(
                f"the descriptors collapse: their effective rank is {rank:.1f} of "
                f"{descriptors.shape[1]} dims after {step} steps, it was {self._highest:.1f}; "
                "lower the learning rate, or the weight of koleo if it is high"
            )
        return rank

    @property
    def tensors(self) -> dict[str, Tensor]:
        """A checkpoint's part."""
        return {"seen": self._kept()} if self._seen else {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a checkpoint holds beside the tensors, for JSON."""
        return {"highest": self._highest, "warned": self._warned}

    def put_back(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's tensors and facts."""
        self._seen = deque(tensors.values())
        self._highest, self._warned = float(facts["highest"]), bool(facts["warned"])

    def _kept(self) -> Tensor:
        device = self._seen[-1].device  # those of a checkpoint are on the CPU
        return torch.cat([part.to(device) for part in self._seen])[-self._window :]

    def _fell(self, rank: float, dims: int) -> bool:
        return rank < max(FALL * self._highest, min(FLOOR, dims / 2))
