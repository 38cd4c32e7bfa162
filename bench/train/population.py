"""What batches are drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.exact.grid import Floats
from registry.datasets.split import Positions
from registry.errors import WorkError

Embed = Callable[[Positions], Floats]
"""(N,) positions -> (N, D) float32 unit descriptors, by the network as it is now."""


@dataclass(frozen=True)
class Population:
    """The images of a training split that may be drawn, and what is known of them."""

    labels: Positions
    """(N,) of the whole split."""
    usable: Positions
    """Positions that may be drawn: neither unreadable nor held out."""
    pairs: Positions | None = None
    """(P, 2) anchors and positives, as in Split; None where classes say it."""
    embed: Embed | None = None
    """For samplers that look at descriptors."""

    def descriptors(self, positions: Positions) -> Floats:
        """Embed each image once, however often it is asked for: (N, D) float32.

        Raises WorkError where a descriptor is no number.
        """
        assert self.embed is not None
        distinct, rows = np.unique(positions, return_inverse=True)
        found = self.embed(distinct)
        if not np.isfinite(found).all():
            raise WorkError(
                "the network's descriptors are no numbers, so no hard examples can be mined among "
                "them: lower the learning rate"
            )
        return found[rows]
