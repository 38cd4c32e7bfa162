"""Outcomes made by hand or drawn, without a report."""

import numpy as np
from hypothesis import strategies as st

from results.outcomes import Outcomes


def made(values, units=None):
    """Outcomes of queries; units: a number for each query, by default each is a unit of its own."""
    values = np.asarray(values, dtype=np.float64)
    numbers = np.arange(len(values)) if units is None else np.asarray(units)
    names = tuple(f"unit {number}" for number in range(numbers.max(initial=-1) + 1))
    queries = tuple(f"{place}.jpg" for place in range(len(values)))
    kind = "query" if units is None else "class"
    return Outcomes(queries, values, numbers.astype(np.int64), names, kind)


def drawn_recalls(draw, units, smallest=2, largest=40):
    """Hits and misses whose classes differ in size and in how easy they are: 0.8 on average."""
    unit_of = np.repeat(np.arange(units), draw.integers(smallest, largest, units))
    hits = draw.random(len(unit_of)) < draw.beta(2, 0.5, units)[unit_of]
    return made(hits, unit_of)


def drawn_differences(draw, units, each=5, mean=0.0):
    """Differences of equal classes that vary more between classes than within."""
    unit_of = np.repeat(np.arange(units), each)
    return made(
        mean + draw.normal(0, 0.3, units)[unit_of] + draw.normal(0, 0.2, len(unit_of)), unit_of
    )


@st.composite
def differing(draw, units=8, values=(-1.0, -0.5, 0.0, 0.25, 1.0), most=4):
    """Differences of a few classes of unequal sizes, with ties among their sums."""
    sizes = draw(st.lists(st.integers(1, most), min_size=1, max_size=units))
    found = draw(st.lists(st.sampled_from(values), min_size=sum(sizes), max_size=sum(sizes)))
    return made(found, np.repeat(np.arange(len(sizes)), sizes))
