"""bench.train.samplers: batches that are the seed's alone, and go on from any place."""

import itertools
import json
from typing import Literal, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.train.samplers import (
    SAMPLED,
    SAMPLERS,
    AtRandom,
    ClassBalanced,
    make_sampler,
    nearest_classes,
    tuple_numbers,
)
from registry.errors import UsageError, WorkError
from registry.recipe import Recipe

LABELS = np.random.default_rng(7).permutation(np.repeat(np.arange(9), [1, 2, 3, 4, 5, 6, 7, 9, 12]))
USABLE = np.setdiff1d(np.arange(len(LABELS)), [3, 8, 20])
VECTORS = np.random.default_rng(8).normal(size=(len(LABELS), 6)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def recipe(sampler, **changes):
    fields = {
        "steps": 1,
        "batch_images": 8,
        "transform": "square",
        "lr": 1.0,
        "weight_decay": 0.0,
        "epoch_steps": 5,
        "pairs_per_epoch": 10,
        "pool_images": 25,
        "negatives": 2,
    }
    return Recipe(name="one", meaning="", sampler=sampler, **{**fields, **changes})


def sampler_of(name, *, labels=LABELS, usable=USABLE, seed=0, embed=VECTORS.__getitem__, **changes):
    return make_sampler(recipe(name, **changes), labels, usable, seed, embed=embed)


def drawn(sampler, count):
    return np.stack(list(itertools.islice(sampler, count)))


def test_the_table_has_what_a_recipe_may_name():
    field = get_type_hints(Recipe)["sampler"]
    assert field.__origin__ is Literal
    assert tuple(SAMPLERS) == get_args(field)


def test_an_unknown_sampler_is_an_error():
    with pytest.raises(UsageError, match="did you mean 'random'"):
        sampler_of("randon")


@pytest.mark.parametrize("name", SAMPLERS)
def test_batches_are_the_seeds_alone_and_whole(name):
    one, same, other = (drawn(sampler_of(name, seed=seed), 24) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.shape == (24, 8)
    assert one.dtype == np.int64
    assert set(one.ravel()) <= set(USABLE)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_goes_on_from_any_place(name):
    whole = drawn(sampler_of(name), 24)
    for stop in range(14):
        first = sampler_of(name)
        np.testing.assert_array_equal(drawn(first, stop) if stop else whole[:0], whole[:stop])
        place = json.loads(json.dumps(first.place))
        later = sampler_of(name, seed=99)
        later.place = place
        assert later.waits == first.waits
        np.testing.assert_array_equal(drawn(later, 24 - stop), whole[stop:])


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_place_is_not_moved_by_what_is_drawn_after_it(name):
    sampler = sampler_of(name)
    drawn(sampler, 4)
    place = sampler.place
    before = json.dumps(place)
    drawn(sampler, 9)
    assert json.dumps(place) == before


FIRST_LOOK = {"tuples": 0, "hard_class": 5}


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_network_is_asked_when_the_sampler_waits_for_it_and_never_else(name):
    asked = []

    def embed(positions):
        asked.append(positions)
        return VECTORS[positions]

    sampler = sampler_of(name, embed=embed)
    for step in range(17):
        before = len(asked)
        waits = sampler.waits
        next(sampler)
        assert (len(asked) - before) == waits
        assert waits == (step % 5 == 0 and step >= FIRST_LOOK.get(name, 17))


@pytest.mark.parametrize("name", SAMPLERS)
def test_only_tuples_are_numbered(name):
    sampler = sampler_of(name)
    found = tuple_numbers(sampler, next(sampler))
    assert (None if found is None else found.tolist()) == (
        [0, 0, 0, 0, 1, 1, 1, 1] if name == "tuples" else None
    )


def test_class_balanced_draws_what_it_always_drew():
    """Numbers of the first version, written down: trained weights depend on them."""
    labels = np.repeat(np.arange(5), 4)
    sampler = ClassBalanced(labels, np.arange(20), classes=3, images=2, seed=3)
    assert drawn(sampler, 3).tolist() == [
        [2, 3, 19, 16, 10, 9],
        [13, 12, 3, 2, 17, 18],
        [0, 1, 9, 10, 15, 12],
    ]


def test_class_balanced_is_its_definition():
    rng = np.random.default_rng(5)
    groups = [USABLE[LABELS[USABLE] == label] for label in range(9)]
    groups = [group for group in groups if len(group) >= 2]
    for batch in drawn(sampler_of("class_balanced", seed=5), 10):
        classes = rng.choice(len(groups), size=4, replace=False)
        expected = [rng.choice(groups[index], size=2, replace=False) for index in classes]
        np.testing.assert_array_equal(batch, np.concatenate(expected))


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 100))
def test_at_random_every_image_comes_once_an_epoch(count, images, seed):
    usable = np.arange(count) * 3
    if images > count:
        with pytest.raises(WorkError, match=rf"takes {images} images.* has {count} that"):
            AtRandom(usable, images=images, seed=seed)
        return
    batches = drawn(AtRandom(usable, images=images, seed=seed), 3 * count)
    epochs = batches.ravel().reshape(-1, count)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(usable, (3 * images, 1)))


def test_at_random_epochs_differ():
    epochs = drawn(AtRandom(np.arange(12), images=4, seed=0), 9).reshape(3, 12)
    assert len({epoch.tobytes() for epoch in epochs}) == 3


@pytest.mark.parametrize("name", ["class_balanced", "hard_class"])
def test_balanced_batches_hold_distinct_classes_and_images(name):
    for batch in drawn(sampler_of(name, batch_images=12, images_per_class=3), 30):
        assert len(set(batch)) == 12
        classes, counts = np.unique(LABELS[batch], return_counts=True)
        assert len(classes) == 4
        assert set(counts) == {3}


@pytest.mark.parametrize("name", ["class_balanced", "hard_class"])
def test_too_few_large_classes_are_an_error(name):
    with pytest.raises(WorkError, match="4 classes, and the training split has 1 classes"):
        sampler_of(name, labels=np.array([0, 0, 1]), usable=np.arange(3))


@pytest.mark.parametrize("name", ["class_balanced", "hard_class"])
def test_just_enough_large_classes_are_all_drawn(name):
    labels = np.repeat(np.arange(4), 2)
    batch = next(sampler_of(name, labels=labels, usable=np.arange(8)))
    assert set(batch) == set(range(8))


def nearest_by_definition(means, seed, count):
    similarity = [float(means[seed].astype(float) @ mean.astype(float)) for mean in means]
    others = [index for index in range(len(means)) if index != seed]
    return [seed, *sorted(others, key=lambda index: (-similarity[index], index))[: count - 1]]


@given(st.integers(2, 12), st.data())
def test_nearest_classes_are_those_of_the_definition(classes, data):
    """Of few whole numbers: many ties, no rounding. The seed's mean need not be the nearest."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    means = rng.integers(-2, 3, size=(classes, 3)).astype(np.float32)
    count = data.draw(st.integers(1, classes))
    seeds = rng.permutation(classes)
    expected = [nearest_by_definition(means, seed, count) for seed in seeds]
    assert nearest_classes(means, seeds, count).tolist() == expected


def test_hard_batches_are_a_class_and_the_nearest_by_their_means():
    """Classes of at most as many images as are sampled, so that the means are of all of them."""
    labels = np.repeat(np.arange(7), [3, SAMPLED, 5, 2, 4, 6, 7])
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(len(labels), 4)).astype(np.float32) + 2 * np.eye(7, 4)[labels]
    means = np.stack([vectors[labels == label].mean(axis=0) for label in range(7)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    sampler = sampler_of(
        "hard_class",
        labels=labels,
        usable=np.arange(len(labels)),
        embed=lambda positions: vectors[positions].astype(np.float32),
        batch_images=6,
        epoch_steps=7,
    )
    batches = labels[drawn(sampler, 21)][:, ::2]
    expected = {tuple(nearest_by_definition(means, seed, 3)) for seed in range(7)}
    for epoch in (batches[7:14], batches[14:]):
        assert {tuple(batch) for batch in epoch.tolist()} == expected
    assert {tuple(batch) for batch in batches[:7].tolist()} != expected


def test_hard_classes_follow_the_network():
    other = np.random.default_rng(9).normal(size=VECTORS.shape).astype(np.float32)
    one, two = (
        drawn(sampler_of("hard_class", embed=vectors.__getitem__), 10)
        for vectors in (VECTORS, other)
    )
    np.testing.assert_array_equal(one[:5], two[:5])
    assert not np.array_equal(LABELS[one[5:]], LABELS[two[5:]])


def test_of_large_classes_some_images_stand_for_all():
    asked = []

    def embed(positions):
        asked.append(positions)
        return VECTORS[positions]

    drawn(sampler_of("hard_class", embed=embed), 6)
    counts = np.bincount(LABELS[asked[0]], minlength=9)
    large = np.bincount(LABELS[USABLE], minlength=9)
    assert counts.tolist() == [min(SAMPLED, count) if count >= 2 else 0 for count in large]


@pytest.mark.parametrize("name", ["hard_class", "tuples"])
def test_descriptors_that_are_no_numbers_are_an_error(name):
    sampler = sampler_of(name, embed=lambda positions: np.full((len(positions), 2), np.nan))
    with pytest.raises(WorkError, match="no numbers"):
        drawn(sampler, 6)
