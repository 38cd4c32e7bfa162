"""Gallery: what single queries found, and on which of them two cells differ.

Legend: K neighbours that reports keep (10), G gallery images.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from results.outcomes import RUN_AGAIN, Outcomes, check_same_queries, difference
from results.seal import file_checksum
from results.store import DamagedReportError

if TYPE_CHECKING:
    import pyarrow as pa

HUB_DEVIATIONS = 2.0
SAME_DESCRIPTOR = 1 - 1e-6
"""Cosine similarity from which on two descriptors are one, but for float32's rounding."""
COLUMNS = ("query", "nearest", "nearest_similarity", "nearest_grade")


class Neighbour(NamedTuple):
    """A gallery image that a query found."""

    path: str
    similarity: float
    """Cosine."""
    grade: str
    """relevant or wrong; of landmarks easy, hard or wrong."""


@dataclass(frozen=True)
class Found:
    """What a report's queries found."""

    neighbours: dict[str, tuple[Neighbour, ...]]
    """Of each query that was asked for: K, or the whole gallery, the most similar first."""
    classes: dict[str, str]
    """Of every query's image, and of what it found and is relevant to it; none for landmarks."""
    hubs: dict[str, int]
    """How many queries found it, of each hub."""


def read_found(
    path: Path, queries: Collection[str], gallery: int, sha256: str | None = None
) -> Found:
    """Read the neighbours of some queries, and the hubs of all, from a report's Parquet.

    gallery: G. Raises DamagedReportError where the file is missing, unreadable or, by its
    checksum, another.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        if sha256 is not None and file_checksum(path) != sha256:
            raise DamagedReportError(
                f"{path} was changed after it was written (its checksum is wrong): {RUN_AGAIN}"
            )
        columns = [*COLUMNS, *(["class"] if "class" in pq.read_schema(path).names else [])]
        table = pq.read_table(path, columns=columns)
        wanted = pc.is_in(table["query"], pa.array(sorted(queries), table["query"].type))
        rows = table.filter(wanted).to_pylist()
        nearest = pc.list_flatten(table["nearest"])
        counted = pc.value_counts(nearest).to_pylist() if len(nearest) else []
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DamagedReportError(
            f"cannot read the neighbours in {path} ({error}): {RUN_AGAIN}"
        ) from error
    neighbours = {
        row["query"]: tuple(map(Neighbour, *(row[name] for name in COLUMNS[1:]))) for row in rows
    }
    occurrences = {entry["values"]: entry["counts"] for entry in counted}
    return Found(neighbours, _classes(table, rows), hubs(occurrences, gallery))


def _classes(table: pa.Table, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    if "class" not in table.column_names:
        return {}
    queries, names = (table[column].to_pylist() for column in ("query", "class"))
    found = dict(zip(queries, map(str, names), strict=True))
    for row in rows:
        pairs = zip(row["nearest"], row["nearest_grade"], strict=True)
        found |= {path: str(row["class"]) for path, grade in pairs if grade == "relevant"}
    return found


def hubs(occurrences: dict[str, int], gallery: int) -> dict[str, int]:
    """Keep the hubs of how many queries found each image: N_K > mean + 2 std over the G images.

    Radovanovic et al. 2010 (JMLR 11), section 4. Images that no query found count as 0.
    """
    counts = np.array(list(occurrences.values()), dtype=np.float64)
    size = max(gallery, len(counts), 1)
    mean = counts.sum() / size
    deviation = np.sqrt(max(0.0, (counts**2).sum() / size - mean**2))
    limit = mean + HUB_DEVIATIONS * deviation
    return {image: count for image, count in occurrences.items() if count > limit}


def wins_and_losses(
    a: Outcomes, b: Outcomes, finer: tuple[Outcomes, Outcomes] | None = None
) -> tuple[list[str], list[str]]:
    """Queries on which A is better than B, and worse, the greatest difference first.

    finer: outcomes of a metric that orders queries on which the first differs alike (R@1 is 0 or
    1). Raises ResultsError where A and B asked other queries.
    """
    differences = difference(a, b).per_query
    ties = np.zeros(len(differences))
    if finer is not None and finer[0].queries == finer[1].queries == a.queries:
        ties = difference(*finer).per_query
    queries = np.array(a.queries, dtype=object)
    sides = []
    for sign in (1, -1):
        order = np.lexsort((-sign * ties, -sign * differences))
        better = order[sign * differences[order] > 0]
        sides.append(queries[better].tolist())
    return sides[0], sides[1]


def disagreed(cells: Sequence[Outcomes]) -> list[str]:
    """Queries on which cells differ, the greatest spread first; they asked the same queries."""
    for other in cells[1:]:
        check_same_queries(cells[0], other)
    spread = np.std([cell.per_query for cell in cells], axis=0)
    order = np.argsort(-spread, kind="stable")
    return [cells[0].queries[place] for place in order[spread[order] > 0]]
