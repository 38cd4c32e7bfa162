"""What exact scoring is to cost, on two cores, and whether it does."""

from __future__ import annotations

from collections.abc import Mapping

from scoring_measure import Measurement
from tabulate import tabulate

Found = Mapping[tuple[str, str], Measurement]

MOST_PRODUCTS = {
    "sop-128": 1.3,
    "sop-384": 0.8,
    "sop-512": 0.65,
    "inshop-128": 1.7,
    "inshop-384": 1.25,
    "inshop-512": 1.1,
}
"""Time to the bare product's."""
LEAST_SPEEDUPS = {
    **{(f"sop-{dims}", "faiss"): 2.5 for dims in (128, 384, 512)},
    **{(f"sop-{dims}", "pml"): 2.0 for dims in (128, 384, 512)},
    ("r1m-128", "faiss"): 3.0,
    ("r1m-128", "numpy"): 10.0,
}
"""A peer's ratio to ours."""
MOST_GIGABYTES = {"r1m-128": 0.2}
MOST_GIGABYTES_ELSEWHERE = 0.5


def goal_table(found: Found) -> str:
    """Return each goal whose measurements are there, and whether it is reached."""
    rows = sorted([*_products(found), *_speedups(found), *_memory(found)])
    return tabulate(
        rows, ["case", "goal", "measured", "reached"], tablefmt="github", disable_numparse=True
    )


def _products(found: Found) -> list[list[str]]:
    return [
        _row(case, f"≤ {most} of the product", one.ratio, one.ratio <= most)
        for case, most in MOST_PRODUCTS.items()
        if (one := found.get((case, "ours")))
    ]


def _speedups(found: Found) -> list[list[str]]:
    rows = []
    for (case, peer), least in LEAST_SPEEDUPS.items():
        ours, theirs = found.get((case, "ours")), found.get((case, peer))
        if ours and theirs:
            times = theirs.ratio / ours.ratio
            rows.append(_row(case, f"≥ {least:g} × faster than {peer}", times, times >= least))
    return rows


def _memory(found: Found) -> list[list[str]]:
    rows = []
    for (case, method), one in found.items():
        if method == "ours":
            most = MOST_GIGABYTES.get(case, MOST_GIGABYTES_ELSEWHERE)
            rows.append(_row(case, f"< {most} GB", one.gigabytes, one.gigabytes < most))
    return rows


def _row(case: str, goal: str, value: float, reached: bool) -> list[str]:
    return [case, goal, f"{value:.2f}", "yes" if reached else "**no**"]
