"""Scoring of revisited Oxford and Paris: equal to revisitop's evaluate.py, query by query.

`evaluate` re-derives its compute_map and compute_ap (Radenovic et al. 2018) from full rankings: it
knows nothing of ties, so rankings are taken from whole-numbered similarities without any.
"""

import math

import numpy as np
import pytest
import torch

from bench.exact.blocks import Blocks
from bench.exact.grid import STEPS, on_grid
from bench.exact.judged import Judgement, judged_rankings
from bench.exact.walk import Walk
from bench.metrics.average_precision import average_precision_trapezoid
from bench.metrics.revisited import precision_at_k_revisited
from bench.scoring import score
from bench.stages.descriptors import unit
from registry.datasets import dataset_row
from registry.datasets.revisited import read
from registry.datasets.split import labelled
from tests import integers

KAPPAS = (1, 5, 10)
ROW = dataset_row("twin-roxford")
NAMES = ("roxford5k", "rparis6k")
DIMS = 16


def average_precision(ranks, n_relevant):
    """compute_ap: trapezoids under the precision-recall curve, ranks from 0."""
    total = 0.0
    for found, rank in enumerate(ranks):
        before = 1.0 if rank == 0 else found / rank
        after = (found + 1) / (rank + 1)
        total += (before + after) / (2 * n_relevant)
    return total


def evaluate(order, relevant, junk):
    """compute_map for one query: AP and mP@kappas of an order of all gallery images.

    Each relevant image moves up by the junk before it. NaN where nothing is relevant.
    """
    if not len(relevant):
        return [math.nan] * 4
    wanted, unwanted = set(relevant.tolist()), set(junk.tolist())
    ranks, skipped = [], 0
    for rank, image in enumerate(order.tolist()):
        skipped += image in unwanted
        if image in wanted:
            ranks.append(rank - skipped)
    positions = [rank + 1 for rank in ranks]
    cuts = [min(max(positions), kappa) for kappa in KAPPAS]
    precisions = [sum(position <= cut for position in positions) / cut for cut in cuts]
    return [average_precision(ranks, len(relevant)), *precisions]


def setups_of(truth):
    """example_evaluate.py: what is relevant, and what is junk, in each setup."""
    both = np.concatenate([truth.easy, truth.hard])
    return {
        "easy": (truth.easy, np.concatenate([truth.junk, truth.hard])),
        "medium": (both, truth.junk),
        "hard": (truth.hard, np.concatenate([truth.junk, truth.easy])),
    }


def evaluated(split, vectors):
    """Every metric of every query: {column: [value]}; no two images of a ranking may tie."""
    columns = {f"{m}_{s}": [] for m in COLUMNS for s in ("easy", "medium", "hard")}
    queries, gallery = vectors[split.queries], vectors[split.gallery]
    for query, values in enumerate(integers.similarities(queries, gallery)):
        truth = split.graded[query]
        judged = np.isin(split.gallery, np.concatenate([truth.easy, truth.hard]))
        assert not np.isin(values[judged], values[~judged]).any()
        assert len(np.unique(values[judged])) == judged.sum()
        order = split.gallery[np.argsort(-values, kind="stable")]
        for setup, (relevant, junk) in setups_of(truth).items():
            for metric, value in zip(COLUMNS, evaluate(order, relevant, junk), strict=True):
                columns[f"{metric}_{setup}"].append(value)
    return columns


COLUMNS = ("map", *(f"mp@{kappa}" for kappa in KAPPAS))


def random(split, rng):
    return unit(rng.normal(size=(len(split.evaluated), DIMS)))


def near_their_queries(split, rng):
    """Relevant images are likely found, not certainly; hard ones less so."""
    vectors = random(split, rng)
    for query, truth in split.graded.items():
        for part, noise in ((truth.easy, 0.25), (truth.hard, 0.4), (truth.junk, 0.3)):
            around = vectors[query] + rng.normal(scale=noise, size=(len(part), DIMS))
            vectors[part] = unit(around.astype(np.float64))
    return vectors


def nearly_tied(split, rng):
    """All images within few steps of the grid of one vector: float32 products cannot rank them."""
    base = unit(rng.normal(size=(1, DIMS)))
    steps = rng.integers(-(2**9), 2**9, size=(len(split.evaluated), DIMS))
    return on_grid(base + steps / STEPS)


DRAWN = {f.__name__: f for f in (random, near_their_queries, nearly_tied)}


@pytest.fixture(scope="module", params=NAMES)
def split(request, shared):
    return read(shared / "revisited" / request.param, name=request.param)


@pytest.mark.parametrize("how", DRAWN)
def test_scores_equal_revisitops_query_by_query(split, how):
    vectors = DRAWN[how](split, np.random.default_rng(len(split.evaluated)))
    found = score(ROW, split, [vectors])
    for column, values in evaluated(split, vectors).items():
        np.testing.assert_allclose(found.table[column], values, rtol=0, atol=1e-12)
    assert found.counts["tied_queries"] == 0


@pytest.mark.parametrize("how", DRAWN)
def test_distractors_in_further_parts_are_irrelevant_images(split, how):
    rng = np.random.default_rng(7)
    plain = DRAWN[how](split, rng)
    others = labelled(split.evaluated.root, [f"far/{i}.jpg" for i in range(3000)], [])
    more = split.with_distractors(others)
    distractors = DRAWN[how](more, rng)[-3000:]
    if how == "nearly_tied":
        distractors = on_grid(plain[0] + rng.integers(-(2**9), 2**9, (3000, DIMS)) / STEPS)
    cuts = [len(plain), len(plain), len(plain) + 1700]
    everything = np.concatenate([plain, distractors])
    found = score(ROW, more, np.split(everything, cuts))
    for column, values in evaluated(more, everything).items():
        np.testing.assert_allclose(found.table[column], values, rtol=0, atol=1e-12)
    without = score(ROW, split, [plain])
    assert (found.table["map_medium"] <= without.table["map_medium"] + 1e-12).all()
    assert (found.table["map_medium"] < without.table["map_medium"]).any()


def test_68_easy_queries_of_roxford_are_counted_and_70_of_the_others(shared):
    counted = {}
    for name in NAMES:
        split = read(shared / "revisited" / name, name=name)
        found = score(ROW, split, [random(split, np.random.default_rng(0))])
        counted[name] = [found.counts[f"queries_{setup}"] for setup in ("easy", "medium", "hard")]
        empty = [query for query, truth in split.graded.items() if not len(truth.easy)]
        assert np.flatnonzero(found.table["map_easy"].isna()).tolist() == empty
        assert len(found.table) == found.counts["queries"] == 70
    assert counted == {"roxford5k": [68, 70, 70], "rparis6k": [70, 70, 70]}


def test_ties_are_the_mean_over_orders_of_the_tied_images(shared):
    """Duplicates of relevant images among the irrelevant ones, averaged over drawn orders."""
    split = read(shared / "revisited" / "roxford5k", name="roxford5k")
    rng = np.random.default_rng(1)
    vectors = near_their_queries(split, rng)
    truth = split.graded[0]
    relevant, junk = setups_of(truth)["medium"]
    outside = np.setdiff1d(split.gallery, np.concatenate([relevant, junk]))
    vectors[outside[: len(relevant)]] = vectors[relevant]
    found = score(ROW, split, [vectors])
    values = integers.similarities(vectors[:1], vectors[split.gallery])[0]
    drawn = []
    for _ in range(400):
        order = split.gallery[np.lexsort((rng.random(len(values)), -values))]
        drawn.append(evaluate(order, relevant, junk))
    error = np.std(drawn, axis=0) / 20
    expected = found.table.loc[0, [f"{metric}_medium" for metric in COLUMNS]].to_numpy(float)
    assert (np.abs(np.mean(drawn, axis=0) - expected) <= 5 * error + 1e-12).all()
    assert found.counts["tied_queries"] > 0


@pytest.mark.parametrize("sizes", [(1, 5), (3, 2), (64, 64)])
def test_small_cases_equal_revisitops_for_any_judgement(sizes):
    rng = np.random.default_rng(sum(sizes))
    way = Walk(torch.device("cpu"), blocks=Blocks(*sizes))
    for _ in range(60):
        n = int(rng.integers(1, 30))
        gallery, queries = unit(rng.normal(size=(n, 8))), unit(rng.normal(size=(3, 8)))
        grades = rng.integers(0, 3, size=(3, n))
        setup = [Judgement(np.flatnonzero(g == 1), np.flatnonzero(g == 2)) for g in grades]
        (found,) = judged_rankings(queries, np.split(gallery, [n // 3]), [setup], way)
        mine = [average_precision_trapezoid(found)]
        mine += [precision_at_k_revisited(found, kappa) for kappa in KAPPAS]
        order = np.argsort(-integers.similarities(queries, gallery), axis=1)
        theirs = [evaluate(o, j.relevant, j.ignored) for o, j in zip(order, setup, strict=True)]
        np.testing.assert_allclose(np.transpose(mine), theirs, rtol=0, atol=1e-12)
