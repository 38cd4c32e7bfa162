"""bench.images: what a stage gets of its image files, kept or decoded anew."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from bench.decode import BadImageError
from bench.images import ImageSource, batches
from bench.pixels import Cache
from registry.datasets.split import Images
from registry.transforms import AUGMENTATIONS, TRANSFORMS, Target


def images(root, *paths, boxes=None):
    return Images(root, paths, np.zeros(len(paths), dtype=np.int64), boxes=boxes)


def source(listed, name="square", size=32, **more):
    row = TRANSFORMS[name] if name in TRANSFORMS else AUGMENTATIONS[name]
    return ImageSource(listed, row, Target(size, "bicubic"), **more)


@pytest.fixture
def ramp(tmp_path):
    """A PNG whose red is its column and whose green is its row."""
    y, x = np.mgrid[0:60, 0:100]
    Image.fromarray(np.stack([x, y, x * 0], axis=2).astype(np.uint8)).save(tmp_path / "ramp.png")
    return tmp_path


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path / "cache", 10**9).store("key", 8, {})


def test_an_image_is_height_by_width_by_rgb(ramp):
    pixels = source(images(ramp, "ramp.png"), "long_side", 100).resized(0)
    assert (pixels.shape, pixels.dtype) == ((60, 100, 3), np.uint8)
    assert pixels.flags.c_contiguous
    assert pixels[20, 50].tolist() == [50, 20, 0]


def test_a_box_is_cut_in_native_pixels_before_resizing(ramp):
    boxed = images(ramp, "ramp.png", "ramp.png", boxes={0: (50.4, 20.0, 82.4, 52.0)})
    pixels = source(boxed).resized(0)
    assert pixels[0, 0].tolist() == [50, 20, 0]  # 32 x 32 native pixels, so nothing is resampled
    assert pixels[-1, -1].tolist() == [81, 51, 0]
    whole = source(boxed).resized(1)
    assert whole[0, -1, 0] > 95


def test_a_box_shrinks_as_much_as_the_whole_that_it_was_cut_from(ramp):
    boxed = images(ramp, "ramp.png", boxes={0: (10, 10, 50, 40)})
    assert source(boxed, "cirtorch", 50).resized(0).shape == (15, 20, 3)


def test_a_box_outside_its_image_is_a_bad_image(ramp):
    boxed = images(ramp, "ramp.png", boxes={0: (100, 0, 120, 20)})
    with pytest.raises(BadImageError, match=r"ramp\.png is 100 x 60"):
        source(boxed).resized(0)


def test_orientation_counts_where_the_source_says_so(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "lying.jpg", exif=exif)
    listed = images(tmp_path, "lying.jpg")
    shapes = [
        source(listed, "long_side", 40, upright=upright).resized(0).shape
        for upright in (False, True)
    ]
    assert shapes == [(20, 40, 3), (40, 20, 3)]


def test_a_kept_image_is_not_read_again(photos, store):
    listed = images(photos, "class0/0.jpg", "class0/1.jpg")
    kept = source(listed, store=store)
    first = kept.resized(1)
    (photos / "class0" / "1.jpg").unlink()
    np.testing.assert_array_equal(kept.resized(1), first)
    np.testing.assert_array_equal(store.get(1), first)
    with pytest.raises(BadImageError, match=r"class0/1\.jpg"):
        source(listed).resized(1)


def test_a_bad_image_is_not_kept(photos, store):
    path = photos / "class0" / "0.jpg"
    good = path.read_bytes()
    path.write_bytes(good[:100])
    kept = source(images(photos, "class0/0.jpg"), store=store)
    with pytest.raises(BadImageError):
        kept.resized(0)
    path.write_bytes(good)
    assert kept.resized(0).shape == (32, 32, 3)


ALL = [f"class{number}/{image}.jpg" for number in range(2) for image in range(4)]


@pytest.mark.parametrize("name", [*TRANSFORMS, *AUGMENTATIONS])
def test_the_store_changes_nothing(photos, store, name):
    listed = images(photos, *ALL, boxes={3: (1, 2, 30, 31)})
    plain, kept = source(listed, name), source(listed, name, store=store)
    for _ in range(2):
        for position in range(8):
            np.testing.assert_array_equal(kept.resized(position), plain.resized(position))
            np.testing.assert_array_equal(
                kept.augmented(position, (3, position)), plain.augmented(position, (3, position))
            )


def test_a_random_variant_depends_on_the_seed_alone(photos, store):
    listed = images(photos, "class0/0.jpg")
    kept, plain = (source(listed, "short_random_flip", store=at) for at in (store, None))
    one, same, later = (each.augmented(0, (1, 2)) for each in (kept, plain, kept))
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(one, later)
    others = [kept.augmented(0, (1, slot)) for slot in range(3, 9)]
    assert len({other.tobytes() for other in others}) > 3
    assert {other.shape for other in others} == {(32, 32, 3)}


def test_without_a_random_part_the_variant_is_the_image(photos):
    plain = source(images(photos, "class0/0.jpg"))
    np.testing.assert_array_equal(plain.augmented(0, (1,)), plain.resized(0))


@pytest.mark.parametrize("size", [1, 2, 3, 8, 100])
def test_batches_hold_every_image_once_in_order(photos, size):
    plain = source(images(photos, *ALL))
    found = list(batches(plain, size=size, skip_bad=False))
    assert [p for batch in found for p in batch.positions] == list(range(8))
    assert all(len(batch.positions) == size for batch in found[:-1])
    assert not any(batch.bad for batch in found)
    together = np.concatenate([batch.pixels for batch in found])
    for position, pixels in enumerate(together):
        np.testing.assert_array_equal(pixels, plain.resized(position))


def test_no_image_is_no_batch(tmp_path):
    assert list(batches(source(images(tmp_path)), size=4, skip_bad=False)) == []


def test_images_of_different_shapes_are_never_in_one_batch(tmp_path):
    shapes = [(40, 20), (20, 40), (40, 20), (30, 40), (20, 40), (40, 40), (40, 20)]
    for number, (width, height) in enumerate(shapes):
        Image.new("RGB", (width, height), (number, 0, 0)).save(tmp_path / f"{number}.png")
    listed = images(tmp_path, *(f"{number}.png" for number in range(7)))
    found = list(batches(source(listed, "long_side", 40), size=5, skip_bad=False))
    assert [batch.positions for batch in found] == [[0, 2], [1, 4], [3], [5], [6]]
    for batch in found:
        for position, pixels in zip(batch.positions, batch.pixels, strict=True):
            assert pixels.shape == (*shapes[position][::-1], 3)
            assert (pixels[..., 0] == position).all()


def spoil(root):
    good = (root / "class0" / "0.jpg").read_bytes()
    (root / "truncated.jpg").write_bytes(good[: len(good) // 2])
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.jpg").write_text("not an image")
    return ["truncated.jpg", "empty.jpg", "text.jpg", "missing.jpg"]


@pytest.mark.parametrize("index", range(4))
def test_a_bad_image_stops_the_work_and_is_named(photos, index):
    name = spoil(photos)[index]
    listed = images(photos, *ALL, name, *ALL)
    with pytest.raises(BadImageError, match=name):
        list(batches(source(listed), size=2, skip_bad=False))


@pytest.mark.parametrize("size", [1, 2, 5, 20])
def test_bad_images_are_left_out_and_counted_once(photos, size):
    bad = spoil(photos)
    listed = images(photos, *ALL[:3], *bad, *ALL[3:])
    found = list(batches(source(listed), size=size, skip_bad=True))
    assert [p for batch in found for p in batch.positions] == [0, 1, 2, 7, 8, 9, 10, 11]
    told = [(position, reason) for batch in found for position, reason in batch.bad.items()]
    assert [position for position, _ in told] == [3, 4, 5, 6]
    assert all(name in reason for name, (_, reason) in zip(bad, told, strict=True))
    for batch in found:
        assert len(batch.pixels) == len(batch.positions)


def test_bad_images_among_several_shapes_are_counted_once(photos):
    spoil(photos)
    Image.new("RGB", (20, 20)).save(photos / "small.png")
    listed = images(photos, "class0/0.jpg", "empty.jpg", "small.png")
    found = list(batches(source(listed, "long_side"), size=3, skip_bad=True))
    assert [(batch.positions, list(batch.bad)) for batch in found] == [([0], [1]), ([2], [])]


def test_what_is_no_bad_image_is_never_skipped(photos):
    def fails(*arguments):
        raise RuntimeError("a bug")

    broken = dataclasses.replace(TRANSFORMS["square"], resize=fails)
    made = ImageSource(images(photos, *ALL), broken, Target(32, "bicubic"))
    with pytest.raises(RuntimeError, match="a bug"):
        list(batches(made, size=2, skip_bad=True))


def test_a_caller_may_stop_early(photos):
    running = batches(source(images(photos, *ALL * 20)), size=2, skip_bad=False)
    assert next(running).positions == [0, 1]
    running.close()
