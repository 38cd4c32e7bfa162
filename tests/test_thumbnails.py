"""Thumbnails: small, upright as asked, never an error; copies by bytes and by pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from results.thumbnails import SIDE, same_image, thumbnail


def noise(width, height, seed=0):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def saved(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize(("size", "expected"), [((400, 200), (96, 48)), ((30, 60), (30, 60))])
def test_the_longer_side_is_at_most_96_pixels(tmp_path, size, expected):
    made = opened(thumbnail(saved(tmp_path / "a.jpg", noise(*size))))
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", expected)


def test_a_photograph_takes_some_kilobytes(tmp_path):
    path = saved(tmp_path / "a.jpg", noise(1600, 1200), quality=95)
    assert len(thumbnail(path)) < 4000 < path.stat().st_size


def test_orientation_is_applied_where_the_network_saw_it_so(tmp_path):
    left = Image.new("RGB", (200, 100), "white")
    left.paste("black", (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    path = saved(tmp_path / "a.jpg", left, exif=exif)
    stored, upright = (opened(thumbnail(path, upright=turn)) for turn in (False, True))
    assert (stored.size, upright.size) == ((SIDE, SIDE // 2), (SIDE // 2, SIDE))
    assert upright.getpixel((24, 10))[0] < 20
    assert upright.getpixel((24, 86))[0] > 235


@pytest.mark.parametrize(
    ("mode", "level"), [("L", 128), ("RGBA", 128), ("CMYK", 128), ("P", 153), ("1", 255)]
)
def test_every_mode_becomes_rgb(tmp_path, mode, level):
    image = Image.new("RGB", (50, 50), (level, level, level)).convert(mode)
    path = saved(tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"), image)
    assert opened(thumbnail(path)).getpixel((9, 9)) == pytest.approx((level,) * 3, abs=3)


def test_16_bit_grey_is_scaled(tmp_path):
    pixels = np.full((20, 20), 128 * 257, np.uint16)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels))
    assert opened(thumbnail(path)).getpixel((9, 9)) == pytest.approx((128,) * 3, abs=2)


def test_transparent_palettes_make_no_warning(tmp_path):
    image = noise(40, 40).convert("P")
    path = saved(tmp_path / "a.png", image, transparency=b"\x00" * 10)
    assert opened(thumbnail(path)).size == (40, 40)


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0 torn"])
def test_what_cannot_be_decoded_has_no_thumbnail(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    assert thumbnail(tmp_path / "a.jpg") is None
    assert thumbnail(tmp_path / "nowhere.jpg") is None
    assert same_image(tmp_path / "a.jpg", tmp_path / "nowhere.jpg") == ""


def test_a_box_is_drawn_where_it_is(tmp_path):
    grey = saved(tmp_path / "a.png", Image.new("RGB", (960, 480), "grey"))
    made = opened(thumbnail(grey, box=(240, 120, 720, 360)))
    pixels = np.asarray(made.convert("L"), np.int64)
    changed = np.argwhere(abs(pixels - 128) > 60)
    assert changed.min(axis=0) == pytest.approx([12, 24], abs=2)
    assert changed.max(axis=0) == pytest.approx([36, 72], abs=2)
    assert abs(pixels[24, 48] - 128) < 20


@pytest.mark.parametrize("box", [(-50, -50, 2000, 2000), (5, 5, 5, 9), (9e9, 0, 9e9, 4)])
def test_a_box_beyond_the_image_is_cut_or_left_out(tmp_path, box):
    path = saved(tmp_path / "a.png", Image.new("RGB", (100, 100), "grey"))
    assert opened(thumbnail(path, box=box)).size == (96, 96)


def test_copies_are_told_by_bytes_then_by_pixels(tmp_path):
    a = saved(tmp_path / "a.png", noise(80, 60))
    copy = tmp_path / "copy.png"
    copy.write_bytes(a.read_bytes())
    assert same_image(a, copy) == "file"
    assert same_image(a, saved(tmp_path / "a.bmp", noise(80, 60))) == "pixels"
    changed = noise(80, 60)
    changed.putpixel((3, 3), (0, 0, 0))
    assert same_image(a, saved(tmp_path / "b.png", changed)) == ""
    assert same_image(a, saved(tmp_path / "c.png", noise(80, 60, seed=1))) == ""
    assert same_image(a, saved(tmp_path / "d.png", noise(60, 80))) == ""


def test_a_jpeg_and_its_decoded_copy_have_the_same_pixels(tmp_path):
    a = saved(tmp_path / "a.jpg", noise(900, 600))
    with Image.open(a) as image:
        assert same_image(a, saved(tmp_path / "a.png", image)) == "pixels"
