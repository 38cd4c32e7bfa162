"""Choice: which rows of a dataset have pictures, which two are compared, and on which queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.comparison import pairs_of
from results.gallery import Found, disagreed, read_found, wins_and_losses
from results.outcomes import Outcomes, difference, read_outcomes
from results.page.view import View
from results.store import ResultsError

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 24
"""Rows with pictures, of each dataset."""
MOST_QUERIES = 48
MOST_DIFFERENCES = 10
"""Wins, and losses, that come before other queries."""
FINER = ("map@r", "map", "map_medium")
"""Metrics that order the queries on which the first differs alike."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A row of one dataset, by the report whose neighbours are shown: of its lowest seed."""

    place: int
    """On the page."""
    report: dict[str, Any]
    seeds: int
    outcomes: Outcomes
    finer: Outcomes | None

    @property
    def boxed(self) -> bool:
        """Whether its queries were cut to their boxes."""
        return bool(self.report.get("crop") == "box")

    @property
    def upright(self) -> bool:
        """Whether it saw images with their EXIF orientation applied."""
        return bool(self.report.get("protocol.exif_orientation") == "applied")

    @property
    def seed(self) -> str:
        """The seed that is shown, where there are several."""
        return str(int(self.report["seed"])) if self.seeds > 1 else ""

    def found(self, queries: Sequence[str]) -> Found:
        """Read what some queries found."""
        path, gallery = Path(self.report["per_query"]), int(self.report["counts.gallery"])
        return read_found(path, queries, gallery, self.report["per_query_sha256"])


def asked_for(view: View, versus: tuple[str, str]) -> dict[str, tuple[int, int]]:
    """Places of the two rows that are meant, on each dataset; raises ResultsError for no two."""
    import pandas as pd

    frame = pd.concat([reports for row in view.rows for reports in row.values()])
    places = {
        key: place
        for place, row in enumerate(view.kept)
        for reports in view.rows[row].values()
        for key in reports["key"]
    }
    found: dict[str, tuple[int, int]] = {}
    for pair in pairs_of(frame, *versus):
        a, b = (places.get(cell["key"].iloc[0]) for cell in (pair.a, pair.b))
        if a is not None and b is not None and a != b:
            found.setdefault(pair.a["dataset"].iloc[0], (a, b))
    if not found:
        raise ResultsError(
            f"{versus[0]!r} and {versus[1]!r} are one row of the page: name two, as for "
            "bench compare"
        )
    return found


def shown_rows(view: View, dataset: str, metric: str, asked: tuple[int, int] | None) -> list[Shown]:
    """Rows that asked the same queries: the two that were asked for, then the best."""
    values: dict[int, float] = {}
    for place, row in enumerate(view.kept):
        reports = view.rows[row].get(dataset)
        if reports is not None and reports[metric].notna().all():
            values[place] = float(reports[metric].mean())
    first = [place for place in asked or () if place in values]
    best = sorted(values, key=lambda place: -values[place])
    rows: list[Shown] = []
    for place in dict.fromkeys([*first, *best]):
        one = _shown(place, view.rows[view.kept[place]][dataset], metric)
        if not rows or one.outcomes.queries == rows[0].outcomes.queries:
            rows.append(one)
        if len(rows) == MOST_ROWS:
            break
    return rows


def _shown(place: int, reports: pd.DataFrame, metric: str) -> Shown:
    first = reports.sort_values("seed").iloc[0]
    report = {str(name): value for name, value in first.to_dict().items()}
    path, sha256 = Path(report["per_query"]), report["per_query_sha256"]
    outcomes = read_outcomes(path, metric, sha256)
    known = (name for name in FINER if name in report and report[name] == report[name])
    finer = next(known, metric)
    others = read_outcomes(path, finer, sha256) if finer != metric else None
    return Shown(place, report, len(reports), outcomes, others)


def compared_rows(
    rows: Sequence[Shown], asked: tuple[int, int] | None
) -> tuple[Shown, Shown] | None:
    """The two that were asked for, or the best and the next that differs from it on any query."""
    if asked is not None:
        by_place = {row.place: row for row in rows}
        if set(asked) <= set(by_place):
            return by_place[asked[0]], by_place[asked[1]]
    for other in rows[1:]:
        if difference(rows[0].outcomes, other.outcomes).per_query.any():
            return rows[0], other
    return None


def shown_queries(rows: Sequence[Shown], pair: tuple[Shown, Shown] | None) -> list[str]:
    """What A of the pair wins and loses most, in turns; then more of both, what rows disagree on
    and queries from all over the list, in turns.
    """
    won: list[str] = []
    lost: list[str] = []
    if pair is not None:
        a, b = pair
        finer = (a.finer, b.finer) if a.finer and b.finer else None
        won, lost = wins_and_losses(a.outcomes, b.outcomes, finer)
    everything = rows[0].outcomes.queries
    step = max(1, len(everything) // MOST_QUERIES)
    most = MOST_DIFFERENCES
    first = _in_turns(won[:most], lost[:most])
    others = disagreed([row.outcomes for row in rows])
    later = _in_turns(won[most:], lost[most:], others, everything[::step])
    return list(dict.fromkeys([*first, *later]))[:MOST_QUERIES]


def _in_turns(*lists: Sequence[str]) -> list[str]:
    return [query for turn in zip_longest(*lists) for query in turn if query is not None]
