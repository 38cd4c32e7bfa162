"""bench.images and registry.transforms"""

import numpy as np
import pytest
from PIL import Image

from bench.images import BadImageError, Preprocessing, Sample, batches, decode
from registry.datasets.split import Images
from registry.transforms import TRANSFORMS


def images(root, *paths, boxes=None):
    return Images(root, paths, np.zeros(len(paths), dtype=np.int64), boxes)


def how(name, size=32):
    return Preprocessing(TRANSFORMS[name], size, "bicubic")


@pytest.fixture
def ramp(tmp_path):
    """A PNG whose red is its column and whose green is its row."""
    y, x = np.mgrid[0:60, 0:100]
    Image.fromarray(np.stack([x, y, x * 0], axis=2).astype(np.uint8)).save(tmp_path / "ramp.png")
    return tmp_path


def test_short_center_is_resize_256_crop_224_in_proportion(ramp):
    pixels = decode(images(ramp, "ramp.png"), Sample(0), how("short_center", 224))
    with Image.open(ramp / "ramp.png") as image:
        whole = image.convert("RGB").resize((int(256 * 100 / 60), 256), Image.Resampling.BICUBIC)
    left, top = round((whole.width - 224) / 2), 16
    np.testing.assert_array_equal(pixels, np.asarray(whole)[top : top + 224, left : left + 224])


def test_square_squashes(ramp):
    pixels = decode(images(ramp, "ramp.png"), Sample(0), how("square"))
    with Image.open(ramp / "ramp.png") as image:
        expected = image.convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(pixels, np.asarray(expected))


def test_a_box_is_cut_in_native_pixels_before_resizing(ramp):
    boxed = images(ramp, "ramp.png", boxes={0: (50.4, 20.0, 82.4, 52.0)})
    pixels = decode(boxed, Sample(0), how("square"))
    assert pixels[0, 0].tolist() == [50, 20, 0]  # 32 x 32 native pixels, so nothing is resampled
    assert pixels[-1, -1].tolist() == [81, 51, 0]


def test_random_crops_depend_on_the_seed_alone(ramp):
    source = images(ramp, "ramp.png")
    one, same, other = (
        decode(source, Sample(0, seed), how("short_random_flip")) for seed in [(1,), (1,), (2,)]
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def bad_files(root):
    good = (root / "class0" / "0.jpg").read_bytes()
    (root / "truncated.jpg").write_bytes(good[: len(good) // 2])
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.jpg").write_text("not an image")
    return ["truncated.jpg", "empty.jpg", "text.jpg", "missing.jpg"]


@pytest.mark.parametrize("index", range(4))
def test_a_bad_image_is_named(photos, index):
    name = bad_files(photos)[index]
    with pytest.raises(BadImageError, match=name):
        decode(images(photos, name), Sample(0), how("square"))


def test_bad_images_stop_the_work_or_are_left_out(photos):
    bad = bad_files(photos)
    source = images(photos, "class0/0.jpg", *bad, "class1/0.jpg")
    with pytest.raises(BadImageError):
        list(batches(source, how("square"), size=2, skip_bad=False))
    found = list(batches(source, how("square"), size=2, skip_bad=True))
    assert [position for batch in found for position in batch.positions] == [0, 5]
    assert {position for batch in found for position in batch.bad} == {1, 2, 3, 4}


def test_grey_and_transparent_images_become_rgb(tmp_path):
    Image.new("L", (40, 40), 7).save(tmp_path / "grey.png")
    Image.new("RGBA", (40, 40), (1, 2, 3, 4)).save(tmp_path / "clear.png")
    source = images(tmp_path, "grey.png", "clear.png")
    (batch,) = batches(source, how("square"), size=8, skip_bad=False)
    assert batch.pixels[:, 5, 5].tolist() == [[7, 7, 7], [1, 2, 3]]


def test_sixteen_bit_grey_keeps_its_shades(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    pixels = decode(images(tmp_path, "deep.png"), Sample(0), how("square", 64))
    np.testing.assert_array_equal(pixels[0, :, 0], np.linspace(0, 65535, 64).astype(int) // 257)
