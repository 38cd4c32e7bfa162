"""registry.losses.pml_pairs: every choice against loops over images."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.losses.labelled import Labelled
from registry.losses.pml_pairs import all_pairs, all_triplets, hardest, informative, semi_hard

SEEDS = st.integers(0, 10_000)


def sample(seed, n, classes=3):
    """Draw n images, some of them twice: equal images have equal classes."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    images = rng.integers(0, 12, n)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return Labelled(*(torch.from_numpy(part) for part in (z, images % classes, images)))


def batch_and_others(seed):
    batch = sample(seed, 7)
    return batch, batch if seed % 2 else sample(seed + 1, 9)


def partners(batch, others, i):
    """Return the positives and the negatives of one image of the batch."""
    pairs = [j for j in range(len(others.labels)) if others.images[j] != batch.images[i]]
    same = [j for j in pairs if others.labels[j] == batch.labels[i]]
    return same, [j for j in pairs if j not in same]


def cosine(batch, others, i, j):
    return float(batch.descriptors[i] @ others.descriptors[j])


def rows(chosen):
    return sorted(zip(*(part.tolist() for part in chosen), strict=True))


@given(SEEDS)
def test_all_pairs(seed):
    batch, others = batch_and_others(seed)
    found = all_pairs(batch, others)
    expected = [partners(batch, others, i) for i in range(7)]
    assert rows(found[:2]) == [(i, j) for i in range(7) for j in expected[i][0]]
    assert rows(found[2:]) == [(i, j) for i in range(7) for j in expected[i][1]]


@given(SEEDS)
def test_all_triplets(seed):
    batch, others = batch_and_others(seed)
    expected = []
    for i in range(7):
        positives, negatives = partners(batch, others, i)
        expected += [(i, p, n) for p in positives for n in negatives]
    assert rows(all_triplets(batch, others)) == expected


@given(SEEDS, st.sampled_from([0.1, 0.5, 2.0]))
def test_semi_hard_negatives_are_farther_than_the_positive_but_within_the_margin(seed, margin):
    batch, others = batch_and_others(seed)
    expected = []
    for i in range(7):
        positives, negatives = partners(batch, others, i)
        for p in positives:
            near = float((batch.descriptors[i] - others.descriptors[p]).square().sum())
            for n in negatives:
                far = float((batch.descriptors[i] - others.descriptors[n]).square().sum())
                if near < far < near + margin:
                    expected.append((i, p, n))
    assert rows(semi_hard(margin)(batch, others)) == expected


@given(SEEDS)
def test_hardest(seed):
    batch, others = batch_and_others(seed)
    found = rows(hardest(batch, others))
    both = [i for i in range(7) if all(partners(batch, others, i))]
    assert [i for i, _, _ in found] == both
    for i, p, n in found:
        positives, negatives = partners(batch, others, i)
        assert p in positives
        assert n in negatives
        similarity = [cosine(batch, others, i, j) for j in range(len(others.labels))]
        assert similarity[p] == pytest.approx(min(similarity[j] for j in positives))
        assert similarity[n] == pytest.approx(max(similarity[j] for j in negatives))


@given(SEEDS, st.sampled_from([0.0, 0.1, 0.7]))
def test_informative_pairs_are_contradicted_by_another_of_their_anchor(seed, epsilon):
    batch, others = batch_and_others(seed)
    found = informative(epsilon)(batch, others)
    kept = ([], [])
    for i in range(7):
        positives, negatives = partners(batch, others, i)
        for p in positives:
            for n in negatives:
                if cosine(batch, others, i, p) - epsilon < cosine(batch, others, i, n):
                    kept[0].append((i, p))
                    kept[1].append((i, n))
    assert rows(found[:2]) == sorted(set(kept[0]))
    assert rows(found[2:]) == sorted(set(kept[1]))


@pytest.mark.parametrize(
    "choose", [all_pairs, all_triplets, hardest, semi_hard(0.2), informative(0.1)]
)
def test_one_image_stored_many_times_is_no_pair(choose):
    batch = sample(0, 1)
    others = Labelled(
        batch.descriptors.repeat(4, 1), batch.labels.repeat(4), batch.images.repeat(4)
    )
    assert not any(map(len, choose(batch, others)))


@pytest.mark.parametrize("choose", [all_triplets, hardest, semi_hard(4.0)])
def test_a_batch_of_one_class_has_no_triplets(choose):
    batch = sample(0, 5, classes=1)
    assert not any(map(len, choose(batch, batch)))


def test_the_package_mines_the_same_where_no_image_is_stored_twice():
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    batch = sample(3, 12)._replace(images=torch.arange(12), labels=torch.arange(12) % 3)
    inputs = batch.descriptors, batch.labels
    assert rows(hardest(batch, batch)) == rows(miners.BatchHardMiner()(*inputs))
    ours, theirs = informative(0.1)(batch, batch), miners.MultiSimilarityMiner(0.1)(*inputs)
    assert rows(ours[:2]) == rows(theirs[:2])
    assert rows(ours[2:]) == rows(theirs[2:])
