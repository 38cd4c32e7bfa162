"""Matrices without the work: reports of cells with outcomes of their queries beside them."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from results.outcomes import Outcomes
from tests.reports import frame, report

QUERIES, CLASSES = 24, 8


def product(**axes):
    """Every combination of some axes' values, the last axis the fastest."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def outcomes_of(cells, seed=0, queries=QUERIES):
    """(cells, queries) random outcomes in quarters: sums of them are exact."""
    return np.random.default_rng(seed).integers(0, 5, size=(len(cells), queries)) / 4


def by_class(values):
    """Outcomes by hand: query n is of class n % 8."""
    return Outcomes(
        queries=tuple(f"{n}.jpg" for n in range(len(values))),
        per_query=np.asarray(values, dtype=float),
        unit_of=np.arange(len(values)) % CLASSES,
        units=tuple(f"class {n}" for n in range(CLASSES)),
        unit="class",
    )


def write_outcomes(path, values, metric="r@1", classes=CLASSES, queries=None):
    """Per-query outcomes as a finished job leaves them; classes=0 for landmarks."""
    numbers = range(len(values)) if queries is None else queries
    table = {"query": [f"{number}.jpg" for number in numbers], metric: values}
    if classes:
        table["class"] = [f"class {number % classes}" for number in numbers]
    pd.DataFrame(table).to_parquet(path)
    return str(path)


def matrix(folder, cells, outcomes, *, metric="r@1", classes=CLASSES, **changes):
    """Reports of cells (axis -> value, seed included) whose metrics are means of outcomes."""
    reports, paths = [], []
    for number, (cell, values) in enumerate(zip(cells, outcomes, strict=True)):
        dataset = cell.get("dataset", "sop")
        found = report(
            f"{dataset}-{number}",
            metrics={metric: float(np.mean(values))},
            headline=[metric],
            finished=f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}",
            signature=f"data:{dataset}@1|ties:expected",
            **changes,
        )
        found["job"] |= {"dataset_title": dataset.upper(), **cell}
        reports.append(found)
        if folder is not None:
            path = Path(folder) / f"{dataset}-{number}.parquet"
            paths.append(write_outcomes(path, values, metric, classes))
    loaded = frame(*reports)
    return loaded.assign(per_query=paths) if folder is not None else loaded
