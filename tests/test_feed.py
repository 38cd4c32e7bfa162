"""bench.train.feed: batches that depend on the seed, the step and the slot alone."""

import numpy as np
import pytest
import torch

from bench.decode import BadImageError
from bench.images import ImageSource
from bench.pixels import Cache
from bench.train.feed import BatchSource, unreadable
from bench.train.samplers import make_sampler
from registry.datasets import TRAINING_SETS
from registry.recipes import parse_recipe
from registry.transforms import AUGMENTATIONS, Target
from tests.trainings import folder_images, recipe_text

RECIPE = parse_recipe(recipe_text(batch_images=16))


def twins(data, store=None):
    row = TRAINING_SETS["twins"]
    images = row.read(row.prepare(data)).train
    return ImageSource(images, AUGMENTATIONS[RECIPE.transform], Target(64, "bicubic"), store=store)


def feed_of(source, *, recipe=RECIPE, seed=0, bad=()):
    labels = source.images.labels
    usable = np.setdiff1d(np.arange(len(labels)), bad)
    return BatchSource(source, make_sampler(recipe, labels, usable, seed), seed)


def drawn(source, *, steps=4, **options):
    return list(feed_of(source, **options).batches(steps))


def test_batches_are_augmented_by_seed_step_and_slot(data):
    source = twins(data)
    found = drawn(source, seed=5)
    assert len(found) == 4
    for step, (pixels, labels, positions, tuples) in enumerate(found):
        assert pixels.shape == (16, 3, 64, 64)
        assert pixels.dtype == torch.uint8
        assert tuples is None
        np.testing.assert_array_equal(labels, source.images.labels[positions])
        for slot, position in enumerate(positions.tolist()):
            expected = source.augmented(position, (5, step, slot))
            np.testing.assert_array_equal(pixels[slot].permute(1, 2, 0), expected)


def test_kept_images_make_the_same_batches(data, tmp_path):
    store = Cache(tmp_path / "cache", 10**9).store("key", len(twins(data).images), {})
    plain, first, second = (drawn(twins(data, kept)) for kept in (None, store, store))
    for batch, *others in zip(plain, first, second, strict=True):
        for other in others:
            assert all(torch.equal(*pair) for pair in zip(batch[:3], other[:3], strict=True))
    assert list(store.folder.glob("*.bin"))


@pytest.mark.parametrize("sampler", ["class_balanced", "random"])
def test_the_place_is_that_of_the_last_batch_not_of_what_was_drawn_ahead(data, sampler):
    recipe = parse_recipe(recipe_text(batch_images=16, sampler=sampler))
    whole = drawn(twins(data), recipe=recipe, steps=5)
    feed = feed_of(twins(data), recipe=recipe)
    batches = feed.batches(5)
    for _ in range(2):
        next(batches)
    place = feed.place
    batches.close()
    again = feed_of(twins(data), recipe=recipe)
    again.place = place
    rest = list(again.batches(5, first=2))
    assert len(rest) == 3
    for one, other in zip(rest, whole[2:], strict=True):
        assert all(torch.equal(*pair) for pair in zip(one[:3], other[:3], strict=True))


def test_bad_images_are_found_and_not_drawn(photos):
    source = ImageSource(
        folder_images(photos), AUGMENTATIONS[RECIPE.transform], Target(32, "bicubic")
    )
    (photos / "class0" / "1.jpg").write_bytes(b"")
    (photos / "class3" / "2.jpg").unlink()
    bad = unreadable(source, np.arange(len(source.images)))
    assert [source.images.paths[place] for place in bad] == ["class0/1.jpg", "class3/2.jpg"]
    recipe = parse_recipe(recipe_text())
    found = drawn(source, steps=20, recipe=recipe, bad=bad)
    reached = {int(position) for batch in found for position in batch.images}
    assert reached.isdisjoint(bad)
    with pytest.raises(BadImageError):
        drawn(source, steps=20, recipe=recipe)
