"""Slow, obvious definitions, written apart from the code they check."""

import itertools

import numpy as np


def all_orders(similarities, relevant, excluded):
    """Yield every ranking that sorts by similarity, as lists of relevance, best first."""
    kept = [index for index in range(len(similarities)) if index not in set(excluded)]
    values = sorted({float(similarities[index]) for index in kept}, reverse=True)
    groups = [[i for i in kept if float(similarities[i]) == value] for value in values]
    for orders in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield [index in set(relevant) for group in orders for index in group]


def expected(metric, similarities, relevant, excluded):
    """Average a metric of a relevance list over every order of the ties."""
    values = [metric(order) for order in all_orders(similarities, relevant, excluded)]
    return float(np.mean(values))


def hit_at_k(relevance, k):
    """1 if any of the first k is relevant."""
    return float(any(relevance[:k]))


def reciprocal_rank(relevance):
    """1 / rank of the first relevant image, counted from 1."""
    return 1 / (relevance.index(True) + 1)


def average_precision(relevance):
    """Mean of the precisions at the relevant images, none of them cut off."""
    ranks = [rank for rank, hit in enumerate(relevance, 1) if hit]
    return sum(found / rank for found, rank in enumerate(ranks, 1)) / len(ranks)


def r_precision(relevance):
    """Share of relevant images among the first R, R of them relevant."""
    r = sum(relevance)
    return sum(relevance[:r]) / r


def map_at_r_term(relevance):
    """Musgrave et al. 2020: mean over i <= R of precision(i) x relevance(i)."""
    r = sum(relevance)
    return sum(sum(relevance[: i + 1]) / (i + 1) for i in range(r) if relevance[i]) / r


def revisited_ap(relevance):
    """AP by trapezoids, as revisitop's compute_ap loops."""
    ranks = [rank for rank, hit in enumerate(relevance) if hit]
    ap = 0.0
    for j, rank in enumerate(ranks):
        left = 1.0 if rank == 0 else j / rank
        right = (j + 1) / (rank + 1)
        ap += (left + right) / (2 * len(ranks))
    return ap


def revisited_precision(relevance, k):
    """P@min(k, last relevant position), as revisitop's compute_map."""
    positions = [rank + 1 for rank, hit in enumerate(relevance) if hit]
    cut = min(max(positions), k)
    return sum(position <= cut for position in positions) / cut
