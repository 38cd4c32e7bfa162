"""bench.train.tuples: mined as the definition says, one candidate after another."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.train.population import Population
from bench.train.tuples import ANCHORS, Tuples, hardest
from registry.errors import WorkError
from registry.recipe import Recipe

RNG = np.random.default_rng(4)
LABELS = RNG.permutation(np.repeat(np.arange(8), [1, 2, 3, 5, 8, 8, 9, 14]))
EVERYTHING = np.arange(len(LABELS))
VECTORS = RNG.normal(size=(len(LABELS), 5)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
PAIRS = np.array(
    [
        (a, b)
        for a, b in itertools.product(EVERYTHING, EVERYTHING)
        if LABELS[a] == LABELS[b] and (a + b) % 3 == 0
    ]
)
"""Some of an image with itself, as in SfM-120k."""
NEGATIVES = 3


def recipe(**changes):
    fields = {
        "steps": 1,
        "batch_images": 20,
        "transform": "square",
        "lr": 1.0,
        "weight_decay": 0.0,
        "epoch_steps": 3,
        "pairs_per_epoch": 12,
        "pool_images": 30,
        "negatives": NEGATIVES,
    }
    return Recipe(name="one", meaning="", sampler="tuples", **{**fields, **changes})


def miner(*, labels=LABELS, usable=EVERYTHING, pairs=None, seed=0, embed=None, **changes):
    population = Population(labels, usable, pairs, embed or VECTORS.__getitem__)
    return Tuples(population, recipe(**changes), seed)


def epoch_of(sampler):
    """Take (tuples, images of each) of one epoch."""
    batches = list(itertools.islice(sampler, sampler.recipe.epoch_steps))
    return np.concatenate(batches).reshape(-1, sampler.tuple_images)


def by_definition(anchor, own, pool, labels, count):
    """Walk down the candidates as cirtorch does, in float64."""
    similarity = [float(anchor.astype(float) @ vector.astype(float)) for vector in pool]
    order = sorted(range(len(pool)), key=lambda at: (-similarity[at], labels[at], at))
    seen, found = {own}, []
    for at in order:
        if len(found) < count and labels[at] not in seen:
            seen.add(labels[at])
            found.append(at)
    return found


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**32))
def test_the_hardest_are_those_of_the_definition(anchors, candidates, classes, seed):
    """Small whole numbers: no rounding, many ties; equal images of several classes."""
    rng = np.random.default_rng(seed)
    queries, pool = (
        rng.integers(-2, 3, size=(count, 3)).astype(np.float32) for count in (anchors, candidates)
    )
    own = rng.integers(0, classes + 1, size=anchors)
    labels = rng.integers(0, classes, size=candidates) * 7 % classes
    others = min(len(set(labels.tolist()) - {mine}) for mine in own.tolist())
    for count in range(1, others + 1):
        found = hardest(queries, own, pool, labels, count).tolist()
        assert found == [
            by_definition(query, mine, pool, labels, count)
            for query, mine in zip(queries, own.tolist(), strict=True)
        ]


def test_more_anchors_than_are_compared_at_a_time():
    rng = np.random.default_rng(0)
    anchors, pool = (
        rng.normal(size=(count, 8)).astype(np.float32) for count in (2 * ANCHORS + 7, 60)
    )
    own, labels = rng.integers(0, 9, len(anchors)), rng.integers(0, 9, 60)
    found = hardest(anchors, own, pool, labels, 4)
    assert found.shape == (2 * ANCHORS + 7, 4)
    for at in range(0, len(anchors), 23):
        assert found[at].tolist() == by_definition(anchors[at], own[at], pool, labels, 4)


def test_too_few_classes_in_the_pool_are_an_error():
    vectors = np.eye(3, dtype=np.float32)
    own, labels = np.array([5, 5, 0]), np.array([0, 1, 1])
    assert hardest(vectors[:2], own[:2], vectors, labels, 2).shape == (2, 2)
    with pytest.raises(WorkError, match=r"2 negatives of different classes.* there are 1 classes"):
        hardest(vectors, own, vectors, labels, 2)


@pytest.mark.parametrize("pairs", [None, PAIRS])
def test_a_tuple_is_a_pair_and_the_hardest_of_the_pool(pairs):
    """The pool is every image, so its drawing does not matter."""
    sampler = miner(pairs=pairs, pool_images=10**6)
    for _ in range(4):
        for anchor, positive, *negatives in epoch_of(sampler).tolist():
            assert anchor != positive
            assert LABELS[anchor] == LABELS[positive]
            expected = by_definition(VECTORS[anchor], LABELS[anchor], VECTORS, LABELS, NEGATIVES)
            assert negatives == expected


def test_pairs_are_those_given_each_once_and_none_with_itself():
    known = {(a, b) for a, b in PAIRS.tolist() if a != b}
    assert len(known) < len(PAIRS)
    many = len(known) // 4
    sampler = miner(pairs=PAIRS, pairs_per_epoch=4 * many, epoch_steps=many)
    reached = set()
    for _ in range(3):
        taken = [tuple(pair) for pair in epoch_of(sampler)[:, :2].tolist()]
        assert len(set(taken)) == len(taken)
        reached |= set(taken)
    assert reached == known


def test_pairs_of_classes_are_any_two_images_and_each_anchor_comes_once():
    known = {
        (a, b) for a, b in itertools.permutations(EVERYTHING.tolist(), 2) if LABELS[a] == LABELS[b]
    }
    mated = len({a for a, _ in known})
    sampler = miner(pairs_per_epoch=mated, epoch_steps=mated // 4)
    reached = set()
    for _ in range(200):
        taken = epoch_of(sampler)[:, :2].tolist()
        assert len({anchor for anchor, _ in taken}) == len(taken)
        reached |= set(map(tuple, taken))
    assert reached == known


def test_pairs_of_classes_are_equally_likely():
    """One class of four: twelve pairs, drawn a hundred times each on average."""
    labels = np.array([0, 0, 0, 0, 1])
    sampler = miner(
        labels=labels,
        usable=np.arange(5),
        negatives=1,
        batch_images=12,
        pairs_per_epoch=4,
        epoch_steps=1,
    )
    counts = np.zeros((4, 4))
    for _ in range(300):
        np.add.at(counts, tuple(epoch_of(sampler)[:, :2].T), 1)
    assert np.all(np.diag(counts) == 0)
    assert np.all(np.abs(counts[~np.eye(4, dtype=bool)] - 100) < 40)


def test_fewer_pairs_than_an_epoch_takes_are_taken_again_in_turn():
    pairs = PAIRS[PAIRS[:, 0] != PAIRS[:, 1]][:5]
    epoch = epoch_of(miner(pairs=pairs))
    assert set(map(tuple, epoch[:, :2].tolist())) == set(map(tuple, pairs.tolist()))
    np.testing.assert_array_equal(epoch[5:10], epoch[:5])
    np.testing.assert_array_equal(epoch[10:], epoch[:2])


def test_the_pool_is_a_random_part_drawn_each_epoch():
    asked = []

    def embed(positions):
        asked.append(positions)
        return VECTORS[positions]

    sampler = miner(pairs=PAIRS, embed=embed, pool_images=18)
    for _ in range(3):
        epoch = epoch_of(sampler)
        seen = asked[-1]
        assert len(set(seen)) == len(seen) <= 12 + 18
        pool = set(seen) - set(epoch[:, 0])
        assert len(pool) <= 18
        assert set(epoch[:, 2:].ravel()) <= set(seen)
    assert len(asked) == 3
    assert len({part.tobytes() for part in asked}) == 3


def test_what_cannot_be_used_is_in_no_tuple():
    usable = np.flatnonzero(RNG.random(len(LABELS)) < 0.8)
    for pairs in (None, PAIRS):
        sampler = miner(pairs=pairs, usable=usable)
        assert set(np.concatenate([epoch_of(sampler) for _ in range(10)]).ravel()) <= set(usable)


def test_negatives_follow_the_network():
    """The same anchors and pool; another network finds other negatives."""
    one, other = (
        epoch_of(miner(pairs=PAIRS, embed=vectors.__getitem__))
        for vectors in (VECTORS, VECTORS[::-1])
    )
    np.testing.assert_array_equal(one[:, :2], other[:, :2])
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("pairs", "labels"), [(None, np.arange(6)), (np.array([[1, 1], [2, 9]]), np.arange(10) // 2)]
)
def test_no_pairs_are_an_error(pairs, labels):
    with pytest.raises(WorkError, match="none among its 6 images"):
        miner(pairs=pairs, labels=labels, usable=np.arange(6))


def test_too_few_classes_are_an_error_before_anything_is_embedded():
    with pytest.raises(WorkError, match=r"3 negatives of different classes.* there are 2 classes"):
        miner(labels=np.array([0, 0, 1, 1, 2]), usable=np.arange(5))
