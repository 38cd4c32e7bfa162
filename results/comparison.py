"""Comparison: what bench compare says of two rows, on every dataset that both were measured on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results.chosen import check_finished, check_metrics, check_one_cell, chosen, newest
from results.compare import Comparison, by_unit, compare
from results.names import AXES, metric_label, plain, told_apart
from results.outcomes import Outcomes, outcomes_of
from results.signatures import FIELD, NO_PART_OF_A_NUMBER, mark_protocols, refuse_mixed
from results.stats.holm import holm
from results.stats.intervals import LEVEL
from results.stats.paired import ALPHA, POWER
from results.store import ResultsError
from results.table import Table

if TYPE_CHECKING:
    import pandas as pd

FEW_UNITS = 20
"""Below, a 95 % interval of the bootstrap covers about 90 %; of 3 units, 75 %."""
CLASSES = 5
"""Classes shown at each end, of those that A and B differ in most."""


@dataclass(frozen=True)
class Pair:
    """Two cells of one dataset, and a metric."""

    a: pd.DataFrame
    b: pd.DataFrame
    """Reports: seeds of one cell."""
    metric: str

    @property
    def title(self) -> str:
        """What the pair is about: SOP R@1."""
        return f"{self.a['dataset_title'].iloc[0]} {metric_label(self.metric)}"

    def outcomes(self) -> tuple[Outcomes, Outcomes]:
        """A's and B's, of several seeds the mean of each query."""
        return outcomes_of(self.a, self.metric), outcomes_of(self.b, self.metric)


def pairs_of(frame: pd.DataFrame, a: str, b: str, metrics: Sequence[str] = ()) -> list[Pair]:
    """Pair the cells that two texts stand for, dataset by dataset, by the metrics asked for.

    Metrics are those by which each dataset is quoted if none are. Raises ResultsError where
    nothing can be paired, or where a text stands for several cells of a dataset.
    """
    check_finished(frame)
    check_metrics(frame, metrics)
    frame = told_apart(frame)
    of_a, of_b = (newest(chosen(frame, text, option)) for text, option in ((a, "A"), (b, "B")))
    found = []
    for dataset in of_a["dataset"].unique():
        mine, other = of_a[of_a["dataset"] == dataset], of_b[of_b["dataset"] == dataset]
        if other.empty:
            continue
        check_one_cell(mine, "A", a)
        check_one_cell(other, "B", b)
        wanted = metrics or mine["headline"].iloc[0]
        found += [
            Pair(mine, other, name)
            for name in wanted
            if name in frame.columns and mine[name].notna().all() and other[name].notna().all()
        ]
    if not found:
        mine, theirs = (", ".join(cells["dataset"].unique()) for cells in (of_a, of_b))
        what = ", ".join(metrics) or "a metric"
        raise ResultsError(
            f"A ({mine}) and B ({theirs}) share no dataset with {what}: only outcomes of the same "
            "queries can be compared"
        )
    return found


def check_protocols(pairs: Sequence[Pair]) -> None:
    """Raise MixedProtocolsError where A and B were not measured alike, but for what axes vary."""
    import pandas as pd

    for pair in pairs:
        both = mark_protocols(pd.concat([pair.a, pair.b]))
        refuse_mixed([(pair.title, [one for odd in both["odd_protocol"] for one in odd])])


def comparison_tables(pairs: Sequence[Pair], classes: int = CLASSES) -> list[Table]:
    """One table of all pairs; one for each pair of the classes in which they differ most."""
    outcomes = [pair.outcomes() for pair in pairs]
    found = [compare(a, b) for a, b in outcomes]
    tables = [_summary(pairs, found)]
    if classes:
        tables += [
            _classes(pair, by_unit(a, b), classes)
            for pair, (a, b) in zip(pairs, outcomes, strict=True)
            if a.unit == "class"
        ]
    return tables


def _summary(pairs: Sequence[Pair], found: Sequence[Comparison]) -> Table:
    import pandas as pd

    adjusted = holm([one.p_sign_flip for one in found])
    headers = ["metric", "A", "B", "A−B", "interval", "p", "p Holm", "p McNemar"]
    headers += ["wins", "losses", "equal", "detectable", "queries", "units"]
    body, numbers = [], []
    for pair, one, p in zip(pairs, found, adjusted, strict=True):
        body.append(_row(pair, one, p))
        numbers.append({"metric": pair.title, **_numbers(one, p)})
    return Table(headers, body, pd.DataFrame(numbers), _notes(pairs, found), [""] * len(pairs))


def _row(pair: Pair, one: Comparison, p_holm: float) -> list[str]:
    low, high = 100 * one.interval.low, 100 * one.interval.high
    mcnemar = "--" if one.p_mcnemar is None else _p(one.p_mcnemar)
    counts = [one.wins.a, one.wins.b, one.wins.equal]
    return [
        pair.title,
        _percent(one.a, pair.a, pair.metric),
        _percent(one.b, pair.b, pair.metric),
        f"{100 * one.difference:+.2f}",
        f"[{low:+.2f}, {high:+.2f}]",
        _p(one.p_sign_flip),
        _p(p_holm),
        mcnemar,
        *map(str, counts),
        _detectable(one.minimum_detectable),
        str(one.queries),
        str(one.units),
    ]


def _numbers(one: Comparison, p_holm: float) -> dict[str, Any]:
    """Unrounded: metrics in per cent, differences in points."""
    return {
        "A": 100 * one.a,
        "B": 100 * one.b,
        "A−B": 100 * one.difference,
        "low": 100 * one.interval.low,
        "high": 100 * one.interval.high,
        "standard error": 100 * one.standard_error,
        "p": one.p_sign_flip,
        "p Holm": p_holm,
        "p McNemar": one.p_mcnemar,
        "wins": one.wins.a,
        "losses": one.wins.b,
        "equal": one.wins.equal,
        "detectable": 100 * one.minimum_detectable,
        "queries": one.queries,
        "units": one.units,
    }


def _notes(pairs: Sequence[Pair], found: Sequence[Comparison]) -> list[str]:
    unit = "/".join(dict.fromkeys("classes" if one.unit == "class" else "queries" for one in found))
    return [
        *_rows_told(pairs),
        f"A−B in points with its {100 * LEVEL:.0f} % interval (BCa bootstrap over {unit}); p: "
        f"two-sided sign-flip test over {unit}; Holm: corrected for {len(found)} comparisons; "
        "McNemar: exact, queries taken as independent, of outcomes that are 0 or 1",
        "wins, losses: queries on which A, or B, is better; detectable: the least true difference "
        f"found with {100 * POWER:.0f} % power at {100 * ALPHA:.0f} % false alarms",
        *_few_units(pairs, found),
        *_protocols(pairs),
    ]


def _few_units(pairs: Sequence[Pair], found: Sequence[Comparison]) -> list[str]:
    """Say where a bootstrap is too sure of itself, and the detectable difference too small."""
    few = [
        f"{pair.title} ({one.units})"
        for pair, one in zip(pairs, found, strict=True)
        if one.units < FEW_UNITS
    ]
    told = f"fewer than {FEW_UNITS} units: intervals are too narrow there, p is exact: "
    return [told + ", ".join(few)] if few else []


def _rows_told(pairs: Sequence[Pair]) -> list[str]:
    """Say what A and B are: what they share, then what tells them apart."""
    of_a, of_b = ([pair.a.iloc[0] for pair in pairs], [pair.b.iloc[0] for pair in pairs])
    values = {axis: [[plain(row[axis]) for row in rows] for rows in (of_a, of_b)] for axis in AXES}
    differ = [axis for axis in AXES if values[axis][0] != values[axis][1] and axis != "seed"]
    if not differ:
        return _one_cell(pairs)
    words = [
        " ".join(f"{axis}={'/'.join(dict.fromkeys(values[axis][side]))}" for axis in differ)
        for side in (0, 1)
    ]
    both = ", ".join(
        f"{axis}={told[0]}"
        for axis, (told, _) in values.items()
        if axis not in (*differ, "seed") and len(set(told)) == 1 and told[0] != "-"
    )
    return [f"A: {words[0]}", f"B: {words[1]}", f"both: {both}"]


def _one_cell(pairs: Sequence[Pair]) -> list[str]:
    """Say which reports of one cell A and B are: the same ones, of other seeds, or older ones."""
    of_a, of_b = ([pair.a for pair in pairs], [pair.b for pair in pairs])
    keys = [", ".join(key for seeds in side for key in seeds["key"]) for side in (of_a, of_b)]
    if keys[0] == keys[1]:
        return [f"A and B are one cell ({keys[0]}): nothing can differ"]
    seeds = [
        "/".join(dict.fromkeys(plain(seed) for reports in side for seed in reports["seed"]))
        for side in (of_a, of_b)
    ]
    return [f"{name}: seed={one} ({key})" for name, one, key in zip("AB", seeds, keys, strict=True)]


def _protocols(pairs: Sequence[Pair]) -> list[str]:
    """Name the fields of the protocol in which A and B differ, whatever axis meant them to."""
    differing: dict[str, str] = {}
    for pair in pairs:
        a, b = pair.a.iloc[0], pair.b.iloc[0]
        for name in a.index:
            field = str(name).removeprefix(FIELD)
            known = str(name).startswith(FIELD) and field not in NO_PART_OF_A_NUMBER
            if known and a[name] == a[name] and a[name] != b[name]:
                differing.setdefault(field, f"{field}: {a[name]} / {b[name]}")
    return ["protocols differ (A / B): " + "; ".join(differing.values())] if differing else []


def _classes(pair: Pair, table: pd.DataFrame, most: int) -> Table:
    """The classes that A loses and wins most, with how many it wins and loses in all."""
    import pandas as pd

    differing = table[table["difference"] != 0]
    lost = differing[differing["difference"] < 0]
    won = differing[differing["difference"] > 0]
    shown = pd.concat([lost[:most], won[-most:]])  # by_unit sorts them, the greatest loss first
    body = [
        [str(row["class"]), str(row["queries"]), *_points(row["a"], row["b"], row["difference"])]
        for row in shown.to_dict("records")
    ]
    note = (
        f"{pair.title}: A is worse in {len(lost)} classes, better in {len(won)}, alike in "
        f"{len(table) - len(differing)}; shown are those that differ most"
    )
    headers = ["class", "queries", "A", "B", "A−B"]
    numbers = shown.rename(columns={"a": "A", "b": "B", "difference": "A−B"})
    percent = numbers.assign(**{name: 100 * numbers[name] for name in ("A", "B", "A−B")})
    return Table(headers, body or [["--"] * 5], percent, [note], [""] * len(percent))


def _points(a: float, b: float, difference: float) -> Iterable[str]:
    return f"{100 * a:.1f}", f"{100 * b:.1f}", f"{100 * difference:+.1f}"


def _percent(mean: float, seeds: pd.DataFrame, metric: str) -> str:
    """A mean with its seeds' spread, where there are several."""
    spread = f" ± {100 * seeds[metric].std():.1f}" if len(seeds) > 1 else ""
    return f"{100 * mean:.1f}{spread}"


def _detectable(difference: float) -> str:
    """One unit alone has no standard error."""
    return "--" if difference != difference else f"{100 * difference:.2f}"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "<0.0001"
