"""How others score the same descriptors, each as its users run it.

OpenMetricLearning is not among them: 4.0.0 asks for numpy below 2, this project for 2.
"""

from __future__ import annotations

import numpy as np
import torch
from scoring_data import Classes, Floats, Integers, Landmarks
from scoring_numbers import KS, Method, Numbers, mean_average_precision, recalls_of_positions

NEIGHBOURS = 1_000
LANDMARK_NEIGHBOURS = 10_000
TOPK_ROWS = 1024
ALL_PAIRS = 2_000
"""Images of a peer that holds every pair several times over."""


def faiss_recalls(data: Classes) -> Numbers:
    """IndexFlatIP, top 1,000 and the query itself, then R@K from the positions."""
    found = _faiss_search(data.queries, data.parts, NEIGHBOURS + data.alone)
    return recalls_of_positions(found, data.query_labels, data.gallery_labels, alone=data.alone)


def faiss_landmarks(data: Landmarks) -> Numbers:
    """IndexFlatIP, top 10,000: what lies beyond is not ranked, which the protocol does not say."""
    found = _faiss_search(data.queries, data.parts, LANDMARK_NEIGHBOURS)
    return mean_average_precision(found, data.relevant, data.ignored)


def topk_recalls(data: Classes) -> Numbers:
    """Blocks of queries times the whole gallery, torch.topk, then R@K from the positions."""
    queries, gallery = torch.from_numpy(data.queries), torch.from_numpy(data.gallery)
    neighbours = min(NEIGHBOURS, len(gallery))
    found = np.empty((len(queries), neighbours), dtype=np.int64)
    for start in range(0, len(queries), TOPK_ROWS):
        products = queries[start : start + TOPK_ROWS] @ gallery.T
        if data.alone:
            rows = torch.arange(len(products))
            products[rows, start + rows] = -torch.inf
        found[start : start + TOPK_ROWS] = products.topk(neighbours).indices.numpy()
    return recalls_of_positions(found, data.query_labels, data.gallery_labels, alone=data.alone)


def pml_precision(data: Classes) -> Numbers:
    """AccuracyCalculator's precision_at_1, which is R@1; Recall@K it does not have."""
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    calculator = AccuracyCalculator(include=("precision_at_1",), k=1, device=torch.device("cpu"))
    reference = () if data.alone else (data.gallery, data.gallery_labels)
    result = calculator.get_accuracy(data.queries, data.query_labels, *reference)
    return {"R@1": float(result["precision_at_1"])}


def torchmetrics_recalls(data: Classes) -> Numbers:
    """RetrievalHitRate: it takes every pair with its query's number."""
    from torchmetrics.retrieval import RetrievalHitRate

    queries, labels = torch.from_numpy(data.queries), torch.from_numpy(data.query_labels)
    pairs = ~torch.eye(len(queries), dtype=torch.bool)
    similarities = (queries @ queries.T)[pairs]
    relevant = (labels[:, None] == labels)[pairs]
    of_query = torch.arange(len(queries))[:, None].expand(pairs.shape)[pairs]
    numbers = {}
    for k in KS:
        metric = RetrievalHitRate(top_k=k)
        metric.update(similarities, relevant, indexes=of_query)
        numbers[f"R@{k}"] = float(metric.compute())
    return numbers


def numpy_landmarks(data: Landmarks) -> Numbers:
    """Rank everything, as revisitop's example does."""
    similarities = np.concatenate([part @ data.queries.T for part in data.parts])
    ranks = np.argsort(-similarities, axis=0)
    return mean_average_precision(ranks.T, data.relevant, data.ignored)


def _faiss_search(queries: Floats, parts: list[Floats], neighbours: int) -> Integers:
    import faiss

    index = faiss.IndexFlatIP(queries.shape[1])
    for part in parts:
        index.add(part)
    found: Integers = index.search(queries, min(neighbours, index.ntotal))[1]
    return found


PEERS = {
    "faiss": Method("faiss", "faiss", faiss_recalls, faiss_landmarks),
    "topk": Method("torch topk(1000)", "torch", topk_recalls),
    "pml": Method("PML precision_at_1", "pytorch_metric_learning", pml_precision),
    "torchmetrics": Method(
        "torchmetrics hit rate",
        "torchmetrics",
        torchmetrics_recalls,
        alone_only=True,
        most_images=ALL_PAIRS,
    ),
    "numpy": Method("numpy, full ranking", "numpy", landmarks=numpy_landmarks),
}
