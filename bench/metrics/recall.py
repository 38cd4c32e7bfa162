"""Recall@K as metric learning and landmark retrieval mean it.

A query counts 1 if at least one relevant image is among its K nearest (Jegou et al. 2011; IR calls
this Success@K), else 0. IR's own recall, and torchmetrics' RetrievalRecall, is the share of the
relevant images that were found: another number. The query itself is not in the gallery.
"""

from math import comb

from bench.metrics.ties import Ranking


def recall_at_k(ranking: Ranking, k: int) -> float:
    """Probability that the K nearest hold a relevant image, ties in random order.

    With m places left for the first group of n images, t of them irrelevant, it is
    1 - C(t, m) / C(n, m). NaN for a query with no relevant image, which is not a query.
    """
    group = next(ranking.groups(), None)
    if group is None:
        return float("nan")
    places = k - group.start
    if places <= 0:
        return 0.0
    tied = group.size - group.positives
    if places > tied:
        return 1.0
    return 1.0 - comb(tied, places) / comb(group.size, places)
