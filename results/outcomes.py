"""Outcomes: one metric, query by query: what intervals and tests are computed from.

Legend: Q queries, U units. Queries of one class are alike, so what is drawn anew, flipped or left
out is the unit: a class, where classes say what is relevant, else (landmarks) a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from results.seal import file_checksum
from results.store import DamagedReportError, ResultsError

if TYPE_CHECKING:
    import pandas as pd

Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Unit = Literal["class", "query"]
RUN_AGAIN = "delete the report and run its matrix again"
ROUNDING = 1e-12
"""Relative to the sum of all sizes: what the order of adding can change a sum by."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """A metric's value of each query that counts, or the difference of two."""

    queries: tuple[str, ...]
    """(Q,) image paths, in the order of the lists."""
    per_query: Doubles
    """(Q,) fractions."""
    unit_of: Places
    """(Q,) number of each query's unit, 0 to U - 1."""
    units: tuple[str, ...]
    """(U,) names: classes, or query images."""
    unit: Unit

    @property
    def mean(self) -> float:
        """The metric as tables show it: every query counts alike."""
        return float(self.per_query.mean())

    @property
    def rounding(self) -> float:
        """Sums of these values that differ by less are equal: they were added in another order."""
        return ROUNDING * float(np.abs(self.per_query).sum())

    def sums(self) -> Doubles:
        """(U,) sum of the values of each unit."""
        return self._total(self.per_query)

    def sizes(self) -> Doubles:
        """(U,) number of queries of each unit."""
        return self._total(np.ones(len(self.unit_of)))

    def _total(self, values: Doubles) -> Doubles:
        return np.bincount(self.unit_of, values, len(self.units)).astype(np.float64)


def read_outcomes(path: Path, metric: str, sha256: str | None = None) -> Outcomes:
    """Read a metric from a report's Parquet; queries without a value of it are left out.

    Raises DamagedReportError where the file is missing, unreadable or, by its checksum, another,
    and ResultsError where it has no such metric.
    """
    table = _table(str(path), sha256)
    if metric not in table.columns:
        raise ResultsError(f"{path} has no {metric} of single queries: ask for another metric")
    counted = table[table[metric].notna()]
    by_class = "class" in counted
    names = counted["class" if by_class else "query"]
    numbers, units = names.factorize()
    return Outcomes(
        queries=tuple(counted["query"]),
        per_query=counted[metric].to_numpy(np.float64),
        unit_of=numbers.astype(np.int64),
        units=tuple(map(str, units)),
        unit="class" if by_class else "query",
    )


def outcomes_of(reports: pd.DataFrame, metric: str) -> Outcomes:
    """Outcomes of one cell of results.load's frame; of several seeds, the mean of each query."""
    found = [
        read_outcomes(Path(row["per_query"]), metric, row["per_query_sha256"])
        for row in reports.to_dict("records")
    ]
    return mean_over(found)


def mean_over(seeds: Sequence[Outcomes]) -> Outcomes:
    """Average outcomes of the same queries, query by query."""
    for other in seeds[1:]:
        check_same_queries(seeds[0], other)
    return replace(seeds[0], per_query=np.mean([one.per_query for one in seeds], axis=0))


def difference(a: Outcomes, b: Outcomes) -> Outcomes:
    """A's outcomes less B's, query by query; raises ResultsError where they asked others."""
    check_same_queries(a, b)
    return replace(a, per_query=a.per_query - b.per_query)


def check_same_queries(a: Outcomes, b: Outcomes) -> None:
    """Raise ResultsError, naming what differs, unless both have the same queries in one order.

    Also where they have them in other classes: what is relevant is not the same then.
    """
    if a.queries == b.queries:
        _check_same_units(a, b)
        return
    alone = [sorted(set(x.queries) - set(y.queries)) for x, y in ((a, b), (b, a))]
    parts = [
        f"{len(names)} are of the {which} alone (such as {names[0]})"
        for which, names in zip(("first", "second"), alone, strict=True)
        if names
    ]
    raise ResultsError(
        f"they asked different queries: {', '.join(parts) or 'in another order'}; only outcomes of "
        "the same queries can be paired: compare cells of one dataset, with the same images"
    )


def _check_same_units(a: Outcomes, b: Outcomes) -> None:
    if a.units == b.units and np.array_equal(a.unit_of, b.unit_of):
        return
    moved = [
        f"{query} ({a.units[one]} / {b.units[other]})"
        for query, one, other in zip(a.queries, a.unit_of, b.unit_of, strict=True)
        if a.units[one] != b.units[other]
    ]
    raise ResultsError(
        f"they have {len(moved)} queries in different classes, such as {moved[0]}: the dataset's "
        "classes were changed in between; run the older matrix again"
    )


@lru_cache(maxsize=256)
def _table(path: str, sha256: str | None) -> pd.DataFrame:
    """Read a Parquet but for its neighbour lists, which are long."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = Path(path)
    try:
        if sha256 is not None and file_checksum(file) != sha256:
            raise DamagedReportError(
                f"{path} was changed after it was written (its checksum is wrong): {RUN_AGAIN}"
            )
        with pq.ParquetFile(file) as parquet:
            columns = parquet.schema_arrow.names
            names = [name for name in columns if not name.startswith("nearest")]
            table: pd.DataFrame = parquet.read(names).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise DamagedReportError(
            f"cannot read the per-query outcomes {path} ({error}): {RUN_AGAIN}"
        ) from error
    return table
