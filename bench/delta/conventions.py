"""Conventions: how public code scores descriptors, one literal row each; the first is our own.

Each differs from ours in one thing: the images and descriptors that are scored (inputs), who stands
where in a query's ranking (order), what is computed from that (formulas), or what a query with
nothing to find counts (empty).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import nan

from bench.delta import formulas, inputs, rankings, splits
from bench.delta.formulas import Formula
from bench.delta.inputs import Inputs, Missing
from bench.delta.rankings import Order, by_place, cut_at
from bench.delta.stored import Stored
from registry.table import Table

OURS = "ours"
RECALL, REVISITED = "recall", "revisited"
DEFINITIONS: Mapping[str, dict[str, Formula]] = {
    RECALL: {
        "r@": formulas.any_hit,
        "map@r": formulas.sum_to_r,
        "map": formulas.finite_sum,
    },
    REVISITED: {
        "map": formulas.trapezoids,
        "mp@": formulas.precision_to_last,
    },
}
"""Our own formulas: measure -> family of metrics -> formula."""


@dataclass(frozen=True, kw_only=True)
class Convention:
    """One way of scoring."""

    name: str
    meaning: str
    who: str
    """Public code that does it, in few words: a column."""
    measures: tuple[str, ...] = (RECALL, REVISITED)
    changes: tuple[str, ...] = ("r@", "map@r", "map", "mp@")
    """Families of metrics that it touches."""
    inputs: Callable[[Stored], Inputs | Missing | None] = inputs.as_stored
    """None: it does not apply to this report."""
    order: Order = rankings.in_expectation
    formulas: dict[str, Formula] = field(default_factory=dict)
    """Those that are not ours."""
    empty: float = nan
    """What a query with nothing to find counts; NaN: it is no query."""
    needs_own: bool = False
    """Whether it differs from ours only where queries are in the gallery."""


CONVENTIONS: Table[Convention] = Table(
    "convention",
    [
        Convention(
            name=OURS,
            meaning="query left out by identity, ties at their expected value, full rankings",
            who="this report",
        ),
        Convention(
            name="ties in gallery order",
            meaning="what a stable sort leaves: the earlier in the list wins",
            who="revisitop, any top-k",
            order=rankings.by_place,
        ),
        Convention(
            name="optimistic ties",
            meaning="only negatives more similar than a positive stand above it (there on In-Shop)",
            who="Proxy-Anchor, hyp_metric",
            order=rankings.relevant_first,
        ),
        Convention(
            name="pessimistic ties",
            meaning="every tied negative stands above; the other bound",
            who="no one known",
            order=rankings.relevant_last,
        ),
        Convention(
            name="float16",
            meaning="descriptors and similarities rounded to float16, ties in gallery order",
            who="hyp_metric, IRT",
            order=rankings.in_half_precision,
        ),
        Convention(
            name="drop rank 0",
            meaning="the first of a stable sort is left out in place of the query itself (also by "
            "hyp_metric, RS@k, RevDML, ROADMAP, Smooth-AP, proxynca_pp, unicom, UnED)",
            who="Proxy-Anchor, MTEB, others",
            measures=(RECALL,),
            order=rankings.without_first,
            needs_own=True,
        ),
        Convention(
            name="R@K as a share",
            meaning="share of the relevant images found, not whether any is",
            who="torchmetrics, ranx",
            measures=(RECALL,),
            changes=("r@",),
            formulas={"r@": formulas.share_found},
        ),
        Convention(
            name="R + 1",
            meaning="MAP@R with the size of the class, the query counted, for R",
            who="RevDML",
            measures=(RECALL,),
            changes=("map@r",),
            formulas={"map@r": formulas.sum_to_class_size},
            needs_own=True,
        ),
        Convention(
            name="AP@R over hits",
            meaning="precisions of the first R ranks over the hits found there, ties in order",
            who="OML",
            measures=(RECALL,),
            changes=("map@r",),
            order=rankings.by_place,
            formulas={"map@r": formulas.hits_found_to_r},
        ),
        Convention(
            name="AP@2047",
            meaning="AP of the first 2,047 ranks, over all relevant",
            who="cut of ROADMAP",
            changes=("map",),
            order=partial(cut_at, ranks=2047),
        ),
        Convention(
            name="AP@1023",
            meaning="AP of the first 1,023 ranks, over all relevant",
            who="cut of RevDML, faiss",
            changes=("map",),
            order=partial(cut_at, ranks=1023),
        ),
        Convention(
            name="AP@2047 over hits",
            meaning="AP of the first 2,047 ranks over the hits found there, ties in order",
            who="ROADMAP",
            measures=(RECALL,),
            changes=("map",),
            order=partial(cut_at, ranks=2047, order=by_place),
            formulas={"map": formulas.hits_found},
        ),
        Convention(
            name="AP@1023 over hits",
            meaning="AP of the first 1,023 ranks over the hits found there, ties in order",
            who="pytorch-metric-learning",
            measures=(RECALL,),
            changes=("map",),
            order=partial(cut_at, ranks=1023, order=by_place),
            formulas={"map": formulas.hits_found},
        ),
        Convention(
            name="junk as negatives",
            meaning="what a setup ignores stays in the ranking as irrelevant",
            who="MTEB (trec_eval)",
            measures=(REVISITED,),
            order=rankings.with_ignored,
        ),
        Convention(
            name="finite-sum AP",
            meaning="precision at each relevant image, no trapezoids",
            who="trec_eval, ranx",
            measures=(REVISITED,),
            changes=("map",),
            formulas={"map": formulas.finite_sum},
        ),
        Convention(
            name="textbook P@k",
            meaning="over k, also where the last relevant image comes before",
            who="trec_eval",
            measures=(REVISITED,),
            changes=("mp@",),
            formulas={"mp@": formulas.precision},
        ),
        Convention(
            name="empty queries as 0",
            meaning="a query with nothing to find counts 0",
            who="torchmetrics",
            empty=0.0,
        ),
        Convention(
            name="empty queries as 1",
            meaning="a query with nothing to find counts 1",
            who="OML",
            empty=1.0,
        ),
        Convention(
            name="uncropped queries",
            meaning="whole query images, not their boxes",
            who="dino, VISSL, BoB",
            measures=(REVISITED,),
            inputs=inputs.uncropped,
        ),
        Convention(
            name="cropped queries",
            meaning="queries cut to their box in native pixels",
            who="revisitop, cirtorch",
            measures=(REVISITED,),
            inputs=inputs.cropped,
        ),
        Convention(
            name="PCA on the test set",
            meaning="projection fitted on the evaluated images themselves (transductive)",
            who="pytorch-metric-learning",
            inputs=inputs.fitted_on_evaluated,
        ),
        Convention(
            name="half as queries",
            meaning="every other image of a class is a query, the others are the gallery",
            who="own splits: BoB, PyRetri",
            measures=(RECALL,),
            inputs=splits.halves,
        ),
        Convention(
            name="train in the gallery",
            meaning="training images join the gallery (SOP: 120,053 images)",
            who="MTEB",
            measures=(RECALL,),
            inputs=splits.train_in_gallery,
        ),
    ],
)
