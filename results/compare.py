"""Compare: two cells on the same queries, so that what is hard for both does not blur it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from results.outcomes import Outcomes, difference
from results.stats.intervals import Interval, bootstrap
from results.stats.paired import (
    Wins,
    mcnemar,
    minimum_detectable,
    sign_flip,
    standard_error,
    wins,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """A's outcomes against B's; differences are A less B, as fractions."""

    a: float
    b: float
    difference: float
    interval: Interval
    standard_error: float
    p_sign_flip: float
    p_mcnemar: float | None
    """None where outcomes are no successes and failures."""
    wins: Wins
    minimum_detectable: float
    """At these queries, with 5 % false alarms and 80 % power."""
    queries: int
    units: int
    unit: str


def compare(a: Outcomes, b: Outcomes) -> Comparison:
    """Compare two cells' outcomes; raises ResultsError unless they asked the same queries."""
    differences = difference(a, b)
    return Comparison(
        a=a.mean,
        b=b.mean,
        difference=differences.mean,
        interval=bootstrap(differences),
        standard_error=standard_error(differences),
        p_sign_flip=sign_flip(differences),
        p_mcnemar=mcnemar(differences),
        wins=wins(differences),
        minimum_detectable=minimum_detectable(differences),
        queries=len(differences.per_query),
        units=len(differences.units),
        unit=differences.unit,
    )


def by_unit(a: Outcomes, b: Outcomes) -> pd.DataFrame:
    """Means of A and B and their difference in each class, the greatest loss first.

    Of landmarks each query is a unit of its own.
    """
    import pandas as pd

    differences = difference(a, b)
    sizes = differences.sizes()
    table = pd.DataFrame(
        {
            differences.unit: differences.units,
            "queries": sizes.astype(np.int64),
            "a": a.sums() / sizes,
            "b": b.sums() / sizes,
            "difference": differences.sums() / sizes,
        }
    )
    return table.sort_values("difference", kind="stable", ignore_index=True)
