"""What is measured of ours; each call of the engine stands alone."""

from __future__ import annotations

import numpy as np
import torch
from scoring_data import Classes, Floats, Integers, Landmarks
from scoring_numbers import KS, Method, Numbers

from bench.exact.classes import first_hits, rankings
from bench.exact.judged import Judgement, judged_rankings
from bench.exact.mates import Side
from bench.exact.walk import Walk
from bench.metrics.average_precision import average_precision_at_r, average_precision_trapezoid
from bench.metrics.recall import recall_at_k


def recalls(data: Classes) -> Numbers:
    """R@K of exact first hits."""
    found = first_hits(*_sides(data), _walk())
    return {f"R@{k}": float(np.nanmean(recall_at_k(found, k))) for k in KS}


def every_rank(data: Classes) -> Numbers:
    """MAP@R, which needs the rank of every relevant image."""
    found = rankings(*_sides(data), _walk())
    return {"MAP@R": float(np.nanmean(average_precision_at_r(found)))}


def landmarks(data: Landmarks) -> Numbers:
    """Return mAP of whole rankings, distractors included."""
    setup = [
        Judgement(relevant, ignored)
        for relevant, ignored in zip(data.relevant, data.ignored, strict=True)
    ]
    (found,) = judged_rankings(data.queries, data.parts, [setup], _walk())
    return {"mAP": float(np.nanmean(average_precision_trapezoid(found)))}


def _walk() -> Walk:
    return Walk(torch.device("cpu"))


def _sides(data: Classes) -> tuple[Side, Side]:
    queries = _side(data.queries, data.query_labels, 0)
    if data.alone:
        return queries, queries
    return queries, _side(data.gallery, data.gallery_labels, len(data.queries))


def _side(vectors: Floats, labels: Integers, first_id: int) -> Side:
    return Side(vectors, labels, first_id + np.arange(len(vectors)))


OURS = {
    "ours": Method("ours", "bench", recalls, landmarks),
    "ours-ranks": Method("ours, every rank (MAP@R)", "bench", every_rank),
}
