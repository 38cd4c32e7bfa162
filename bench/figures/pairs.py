"""The table and the panels of figure 5, from counted pairs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.figures.content import Content, notes_of, signs_of, titles
from bench.figures.similarities import Pairs, centres, count_pairs, mean_and_spread, shares
from bench.figures.stored import Folders
from bench.figures.variants import Report, Variant, by_method, variants
from results.plotting.curves import Histogram, histograms_figure
from results.plotting.style import Scale
from results.table import Table

if TYPE_CHECKING:
    import pandas as pd

DRAWN = 100
"""Bins of the figure and of its points, from -1 to 1."""
SHOWN = (-0.4, 1.0)
"""Similarities that the paper's figure shows."""
NOTE = (
    "positive pairs: a query and an image of its class (landmarks: Medium, easy and hard images, "
    "junk is no pair); negative: with any other image of the gallery; seeds are added up; in "
    "order: positive and negative pairs of which the positive is the more similar (area under ROC)"
)
HEADERS = [
    "variant",
    "pairs positive",
    "pairs negative",
    "positive mean",
    "positive std",
    "negative mean",
    "negative std",
    "in order (%)",
]


def pairs_content(reports: Sequence[Report], frame: pd.DataFrame, folders: Folders) -> Content:
    """Tell how similar positive and negative pairs are for each variant."""
    import pandas as pd

    folders.require_descriptors(reports)
    shown = variants(reports, name=by_method, untrained="IRT_O")
    counted = [_counted(variant, folders) for variant in shown]
    edges = np.linspace(-1.0, 1.0, DRAWN + 1)
    histograms = [
        Histogram(
            variant.label, edges, shares(pairs.positive, DRAWN), shares(pairs.negative, DRAWN)
        )
        for variant, pairs in zip(shown, counted, strict=True)
    ]
    points = pd.concat(
        [
            pd.DataFrame(
                {
                    "variant": one.label,
                    "similarity": centres(DRAWN).round(6),
                    "positive": one.positive,
                    "negative": one.negative,
                }
            )
            for one in histograms
        ],
        ignore_index=True,
    )
    x = Scale(f"cosine similarity ({titles(frame)})", SHOWN, tick=0.2)
    y = Scale("share of pairs (%)")
    table = _table(shown, counted, notes_of(frame, [NOTE]))
    return Content(table, points, partial(histograms_figure, histograms, x, y))


def _counted(variant: Variant, folders: Folders) -> Pairs:
    first, *others = (
        count_pairs(folders.descriptors(report), folders.split(report))
        for report in variant.reports
    )
    return sum(others, first)


def _table(shown: Sequence[Variant], counted: Sequence[Pairs], notes: list[str]) -> Table:
    import pandas as pd

    rows = [
        [
            variant.label,
            int(pairs.positive.sum()),
            int(pairs.negative.sum()),
            *mean_and_spread(pairs.positive),
            *mean_and_spread(pairs.negative),
            100 * pairs.in_order,
        ]
        for variant, pairs in zip(shown, counted, strict=True)
    ]
    body = [
        [
            f"{row[0]}{signs_of(variant)}",
            *(f"{count:,}" for count in row[1:3]),
            *(f"{value:.3f}" for value in row[3:7]),
            f"{row[7]:.1f}",
        ]
        for variant, row in zip(shown, rows, strict=True)
    ]
    over = ["", *["pairs"] * 2, *["positive"] * 2, *["negative"] * 2, ""]
    numbers = pd.DataFrame(rows, columns=HEADERS)
    return Table(HEADERS, body, numbers, notes, list(map(signs_of, shown)), over)
