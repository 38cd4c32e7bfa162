"""What intervals and paired tests of a dataset of SOP's size cost, to scipy's.

python benchmarks/resampling.py [--queries N] [--classes N] [--resamples N] [--rounds N]

Outcomes are drawn: hits and misses of two rows that share most of what is hard. Ours and scipy's
take turns within one run; medians and their ratios count, in seconds of the processor: none needs
more than one thread, and other work on the machine does not count so.
scipy's bootstrap gets each class as a sum and a size, the same work as ours, and each query as a
unit, which takes the queries of a class as independent; both without the bias and acceleration that
ours adds. Its permutation test is given fewer flips, and its time multiplied. Needs scipy.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy
from scipy import stats
from tabulate import tabulate

from results.outcomes import Doubles, Outcomes, difference
from results.stats.intervals import bootstrap
from results.stats.paired import FLIPS, mcnemar, sign_flip, wins

BATCH = 50
"""Resamples at once in scipy: more need more memory, and are no faster."""
FEWER = 50
"""Times that scipy's flips are fewer than ours."""
GOAL = 3.0
"""Seconds of our interval over classes, at SOP's size."""
CLASSES, QUERIES = "interval, over classes", "interval, over queries"
FLIP, MCNEMAR = f"sign flip, {FLIPS:,} flips", "McNemar"


@dataclass(frozen=True)
class Rival:
    """A call, and by what its time is multiplied because it does less."""

    call: Callable[[], object]
    times: int = 1


class Taken(NamedTuple):
    """Seconds of a call."""

    clock: float
    processor: float


def main() -> None:
    """Print a row for each statistic, with ours and its rivals' seconds."""
    options = _arguments()
    a, b = draw(options.queries, options.classes)
    rivals = {**intervals(a, options.resamples), **tests(difference(a, b))}
    medians = in_turns(rivals, options.rounds)
    print(f"numpy {np.__version__}, scipy {scipy.__version__}; medians of {options.rounds} turns")
    print(f"{options.queries:,} queries in {options.classes:,} classes")
    print(tabulate(_rows(medians), headers="keys", tablefmt="github"))
    ours = medians[CLASSES, "ours"].clock
    reached = "yes" if ours <= GOAL else "no"
    print(f"goal: our interval over classes in {GOAL:g} s; by the clock {ours:.2g} s: {reached}")


def draw(queries: int, classes: int) -> tuple[Outcomes, Outcomes]:
    """Draw two rows' hits: classes differ in size and in how easy they are."""
    generator = np.random.default_rng(0)
    more = generator.integers(classes, size=queries - classes)
    unit_of = np.sort(np.concatenate([np.arange(classes), more]))
    first = generator.random(queries) < generator.beta(2, 0.5, classes)[unit_of]
    drawn_anew = generator.random(queries) < 0.1
    second = np.where(drawn_anew, generator.random(queries) < 0.7, first)
    names, units = (tuple(map(str, range(count))) for count in (queries, classes))
    a, b = (
        Outcomes(names, hits.astype(np.float64), unit_of, units, "class")
        for hits in (first, second)
    )
    return a, b


def intervals(one: Outcomes, resamples: int) -> dict[tuple[str, str], Rival]:
    """(statistic, whose) -> call, of a mean's interval."""
    alone = replace(one, unit_of=np.arange(len(one.queries)), units=one.queries, unit="query")
    pairs, values = (one.sums(), one.sizes()), (one.per_query,)
    scipys = partial(
        stats.bootstrap, n_resamples=resamples, batch=BATCH, method="percentile", rng=0
    )
    return {
        (CLASSES, "ours"): Rival(lambda: bootstrap(one, resamples=resamples)),
        (CLASSES, "scipy"): Rival(lambda: scipys(pairs, _ratio, paired=True)),
        (QUERIES, "ours"): Rival(lambda: bootstrap(alone, resamples=resamples)),
        (QUERIES, "scipy"): Rival(lambda: scipys(values, np.mean)),
    }


def tests(differences: Outcomes) -> dict[tuple[str, str], Rival]:
    """(statistic, whose) -> call, of two rows' difference."""
    sums = differences.sums()
    found = wins(differences)
    scipys = partial(
        stats.permutation_test,
        permutation_type="samples",
        n_resamples=FLIPS // FEWER,
        batch=BATCH,
        vectorized=True,
        rng=0,
    )
    return {
        (FLIP, "ours"): Rival(lambda: sign_flip(differences)),
        (FLIP, "scipy"): Rival(lambda: scipys((sums,), np.sum), times=FEWER),
        (MCNEMAR, "ours"): Rival(lambda: mcnemar(differences)),
        (MCNEMAR, "scipy"): Rival(lambda: stats.binomtest(found.a, found.a + found.b)),
    }


def in_turns(rivals: Mapping[tuple[str, str], Rival], rounds: int) -> dict[tuple[str, str], Taken]:
    """Medians of each, after a round that does not count."""
    taken: dict[tuple[str, str], list[Taken]] = {name: [] for name in rivals}
    for _ in range(rounds + 1):
        for name, rival in rivals.items():
            taken[name].append(_timed(rival))
    return {
        name: Taken(*(statistics.median(each) for each in zip(*found[1:], strict=True)))
        for name, found in taken.items()
    }


def _timed(rival: Rival) -> Taken:
    clock, processor = time.perf_counter(), time.process_time()
    rival.call()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    return Taken(rival.times * clock, rival.times * processor)


def _ratio(sums: Doubles, sizes: Doubles, axis: int = -1) -> Doubles:
    found: Doubles = sums.sum(axis=axis) / sizes.sum(axis=axis)
    return found


def _rows(medians: Mapping[tuple[str, str], Taken]) -> list[dict[str, str]]:
    rows = []
    for what in (CLASSES, QUERIES, FLIP, MCNEMAR):
        ours, scipys = (medians[what, whose].processor for whose in ("ours", "scipy"))
        rows.append(
            {
                "what": what,
                "ours, s": f"{ours:.3g}",
                "scipy, s": f"{scipys:.3g}",
                "scipy to ours": f"{scipys / ours:.2g}",
            }
        )
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--queries", type=int, default=60_502)
    parser.add_argument("--classes", type=int, default=11_316)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
