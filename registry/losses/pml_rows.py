"""Losses by their usual names that pytorch-metric-learning computes, with published defaults.

Classifiers and proxies compare with no memory; nor does smooth AP. What compares with one adds the
loss over (batch, memory) to the batch's own, as the contrastive loss does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from registry.losses import pml
from registry.losses.loss import Loss
from registry.losses.pml import EXTRA
from registry.losses.pml_pairs import hardest, informative, semi_hard
from registry.losses.space import Space

if TYPE_CHECKING:
    from registry.losses.loss import LossFunction


def _triplet(parameters: Mapping[str, float], space: Space) -> LossFunction:
    facts = pml.facts_of("TripletMarginLoss")
    from pytorch_metric_learning.distances import LpDistance

    from registry.losses.pml_modules import adapted

    margin = parameters["margin"]
    arguments = {"margin": margin, "distance": LpDistance(power=2)}
    return adapted("TripletMarginLoss", arguments, facts, semi_hard(margin))


def _triplet_hard(parameters: Mapping[str, float], space: Space) -> LossFunction:
    facts = pml.facts_of("TripletMarginLoss")
    from pytorch_metric_learning.reducers import MeanReducer

    from registry.losses.pml_modules import adapted

    # the package's own mean leaves out anchors without a loss
    arguments = {"margin": parameters["margin"], "reducer": MeanReducer()}
    return adapted("TripletMarginLoss", arguments, facts, hardest)


def _multi_similarity(parameters: Mapping[str, float], space: Space) -> LossFunction:
    facts = pml.facts_of("MultiSimilarityLoss")
    from registry.losses.pml_modules import adapted

    arguments = {name: parameters[name] for name in ("alpha", "beta", "base")}
    return adapted("MultiSimilarityLoss", arguments, facts, informative(parameters["epsilon"]))


def _proxynca(parameters: Mapping[str, float], space: Space) -> LossFunction:
    return pml.build("ProxyNCALoss", {"softmax_scale": 1.0 / parameters["temperature"]}, space)


PML_LOSSES = (
    Loss(
        name="nsoftmax",
        meaning="normalised softmax: cross-entropy of cosines to class proxies / temperature",
        source="Zhai & Wu 2019, arXiv 1811.12649",
        build=partial(pml.build, "NormalizedSoftmaxLoss"),
        parameters=(("temperature", 0.05),),
        uses_memory=False,
        extra=EXTRA,
    ),
    Loss(
        name="triplet",
        meaning="triplets with semi-hard negatives, squared distances, mean over the triplets",
        source="Schroff et al. 2015 (FaceNet), arXiv 1503.03832, eq. 1 and 4",
        build=_triplet,
        parameters=(("margin", 0.2),),
        extra=EXTRA,
    ),
    Loss(
        name="triplet_hard",
        meaning="batch-hard triplets: farthest positive, nearest negative, mean over anchors",
        source="Hermans et al. 2017, arXiv 1703.07737, eq. 5",
        build=_triplet_hard,
        parameters=(("margin", 0.2),),
        extra=EXTRA,
    ),
    Loss(
        name="multi_similarity",
        meaning="multi-similarity with its mining of pairs (epsilon)",
        source="Wang et al. 2019, arXiv 1904.06627, section 4",
        build=_multi_similarity,
        parameters=(("alpha", 2.0), ("beta", 50.0), ("base", 0.5), ("epsilon", 0.1)),
        extra=EXTRA,
    ),
    Loss(
        name="proxy_anchor",
        meaning="proxies as anchors of all the batch",
        source="Kim et al. 2020, arXiv 2003.13911, eq. 4",
        build=partial(pml.build, "ProxyAnchorLoss"),
        parameters=(("margin", 0.1), ("alpha", 32.0)),
        uses_memory=False,
        extra=EXTRA,
    ),
    Loss(
        name="proxynca",
        meaning="ProxyNCA++: softmax over squared distances to proxies / temperature",
        source="Teh et al. 2020, arXiv 2004.01113",
        build=_proxynca,
        parameters=(("temperature", 1.0 / 9.0),),
        uses_memory=False,
        extra=EXTRA,
    ),
    Loss(
        name="arcface",
        meaning="additive angular margin in degrees (28.6 = 0.5 rad), cosines x scale",
        source="Deng et al. 2019, arXiv 1801.07698, eq. 3",
        build=partial(pml.build, "ArcFaceLoss"),
        parameters=(("margin", 28.6), ("scale", 64.0)),
        uses_memory=False,
        extra=EXTRA,
    ),
    Loss(
        name="supcon",
        meaning="supervised contrastive (L_out), mean over anchors that have a positive",
        source="Khosla et al. 2020, arXiv 2004.11362, eq. 2",
        build=partial(pml.build, "SupConLoss"),
        parameters=(("temperature", 0.1),),
        extra=EXTRA,
    ),
    Loss(
        name="ntxent",
        meaning="NT-Xent of each positive pair against its anchor's negatives; MoCo's temperature",
        source="Chen et al. 2020, arXiv 2002.05709, eq. 1; He et al. 2020, arXiv 1911.05722",
        build=partial(pml.build, "NTXentLoss"),
        parameters=(("temperature", 0.07),),
        extra=EXTRA,
    ),
    Loss(
        name="smooth_ap",
        meaning="1 - smoothed AP in the batch, the query its own first hit as in the authors' code",
        source="Brown et al. 2020, arXiv 2007.12163",
        build=partial(pml.build, "SmoothAPLoss"),
        parameters=(("temperature", 0.01),),
        uses_memory=False,
        extra=EXTRA,
    ),
)
