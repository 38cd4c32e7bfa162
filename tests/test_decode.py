"""bench.decode: the pixels are Pillow's, and what is no image is named."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional

from bench.decode import BadImageError, cut, read_image

RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 256, (37, 53, 3), dtype=np.uint8))
SMOOTH = NOISE.resize((8, 8)).resize((53, 37), Image.Resampling.BICUBIC)
CLEAR = NOISE.convert("RGBA")
CLEAR.putalpha(NOISE.getchannel(0))
PALETTE = NOISE.quantize(16)

READABLE = {
    "rgb.jpg": (SMOOTH, {}),
    "noise.jpg": (NOISE, {"quality": 30}),
    "grey.jpg": (SMOOTH.convert("L"), {}),
    "progressive.jpg": (SMOOTH, {"progressive": True}),
    "444.jpg": (SMOOTH, {"subsampling": "4:4:4"}),
    "422.jpg": (SMOOTH, {"subsampling": "4:2:2"}),
    "420.jpg": (SMOOTH, {"subsampling": "4:2:0"}),
    "no-ycc.jpg": (SMOOTH, {"keep_rgb": True}),
    "cmyk-of-adobe.jpg": (SMOOTH.convert("CMYK"), {}),
    "rgb.png": (NOISE, {}),
    "rgba.png": (CLEAR, {}),
    "grey.png": (NOISE.convert("L"), {}),
    "grey-alpha.png": (CLEAR.convert("LA"), {}),
    "palette.png": (PALETTE, {}),
    "palette-one-clear.png": (PALETTE, {"transparency": 3}),
    "palette-half-clear.png": (PALETTE, {"transparency": bytes(range(16))}),
    "rgb-one-clear.png": (NOISE, {"transparency": NOISE.getpixel((0, 0))}),
    "bilevel.png": (NOISE.convert("1"), {}),
    "rgb.bmp": (NOISE, {}),
    "palette.gif": (PALETTE, {}),
    "lossy.webp": (NOISE, {}),
    "clear.webp": (CLEAR, {"lossless": True}),
    "rgb.tif": (NOISE, {}),
    "cmyk.tif": (NOISE.convert("CMYK"), {}),
}


def by_pillow(path, *, upright=False):
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file) if upright else file
        if "transparency" in image.info:
            image = image.convert("RGBA")
        return functional.pil_to_tensor(image.convert("RGB"))


def written(folder, name, **more):
    image, options = READABLE[name]
    image.save(folder / name, **options, **more)
    return folder / name


@pytest.mark.parametrize("name", READABLE)
def test_pixels_are_pillows_bit_for_bit(tmp_path, name):
    path = written(tmp_path, name)
    image = read_image(path, upright=False)
    assert (image.shape, image.dtype) == ((3, 37, 53), torch.uint8)
    assert torch.equal(image, by_pillow(path))


def test_the_files_are_of_the_kinds_that_their_names_say(tmp_path):
    """The test above rests on it: what Pillow wrote is not always what it was asked for."""
    modes = {}
    for name in READABLE:
        with Image.open(written(tmp_path, name)) as file:
            modes[name] = file.mode
    wanted = {"grey.jpg": "L", "cmyk-of-adobe.jpg": "CMYK", "grey-alpha.png": "LA"}
    wanted |= {"palette-half-clear.png": "P", "bilevel.png": "1", "clear.webp": "RGBA"}
    assert wanted.items() <= modes.items()
    with Image.open(tmp_path / "palette-half-clear.png") as file:
        assert isinstance(file.info["transparency"], bytes)
    assert b"Adobe" in (tmp_path / "cmyk-of-adobe.jpg").read_bytes()


def test_inks_of_adobes_cmyk_jpegs_are_not_inverted_twice(tmp_path):
    near = functional.pil_to_tensor(SMOOTH.convert("CMYK").convert("RGB"))
    found = read_image(written(tmp_path, "cmyk-of-adobe.jpg"), upright=False)
    assert (found.int() - near.int()).abs().float().mean() < 5


def test_inks_are_taken_for_inverted_where_adobe_is_not_named(tmp_path):
    """As Pillow does: nobody else writes them."""
    path = written(tmp_path, "cmyk-of-adobe.jpg")
    data = path.read_bytes()
    start = data.index(b"\xff\xee")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    plain = tmp_path / "cmyk.jpg"
    plain.write_bytes(data[:start] + data[end:])
    assert b"Adobe" not in plain.read_bytes()
    assert torch.equal(read_image(plain, upright=False), by_pillow(plain))
    assert torch.equal(by_pillow(plain), by_pillow(path))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_keeps_its_shades(tmp_path, suffix):
    deep = np.linspace(0, 65535, 64).astype(np.uint16)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(np.tile(deep, (4, 1))).save(path)
    image = read_image(path, upright=False)
    np.testing.assert_array_equal(image, np.broadcast_to(deep // 257, (3, 4, 64)))


def test_what_is_transparent_keeps_its_colour(tmp_path):
    Image.new("RGBA", (4, 4), (1, 2, 3, 0)).save(tmp_path / "clear.png")
    image = read_image(tmp_path / "clear.png", upright=False)
    assert image.flatten(1).unique(dim=1).flatten().tolist() == [1, 2, 3]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["rgb.jpg", "grey.jpg", "cmyk-of-adobe.jpg", "rgb.png"])
def test_exif_orientation_counts_only_where_it_is_asked_for(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = written(tmp_path, name, exif=exif)
    lying, upright = (read_image(path, upright=upright) for upright in (False, True))
    assert torch.equal(lying, by_pillow(path))
    assert torch.equal(upright, by_pillow(path, upright=True))
    assert torch.equal(lying, upright) == (orientation == 1)
    assert upright.shape == ((3, 37, 53) if orientation < 5 else (3, 53, 37))


def test_a_tiff_is_turned_once_by_pillow_itself(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = written(tmp_path, "rgb.tif", exif=exif)
    expected = functional.pil_to_tensor(NOISE.transpose(Image.Transpose.ROTATE_270))
    for upright in (False, True):
        assert torch.equal(read_image(path, upright=upright), expected)


@pytest.mark.parametrize(("photographs", "step"), [("groceries", 1), ("birds/images", 6)])
def test_real_photographs_are_pillows_bit_for_bit(shared, photographs, step):
    paths = sorted((shared / photographs).rglob("*.jpg"))[::step]
    assert len(paths) >= 100
    for number, path in enumerate(paths):
        upright = bool(number % 2)
        assert torch.equal(read_image(path, upright=upright), by_pillow(path, upright=upright))


def packed(kind):
    buffer = io.BytesIO()
    SMOOTH.save(buffer, kind)
    return buffer.getvalue()


JPEG, PNG = packed("JPEG"), packed("PNG")
UNREADABLE = {
    "empty.jpg": b"",
    "text.jpg": b"not an image",
    "error.jpg": b"<!DOCTYPE html><html><title>404 Not Found</title></html>",
    "no-end.jpg": JPEG[:-2],
    "half-an-end.jpg": JPEG[:-1],
    "most.jpg": JPEG[: len(JPEG) * 9 // 10],
    "half.jpg": JPEG[: len(JPEG) * 6 // 10],
    "header.jpg": JPEG[:100],
    "magic.jpg": JPEG[:3],
    "half.png": PNG[: len(PNG) // 2],
    "header.png": PNG[:20],
}


def test_the_whole_files_can_be_read(tmp_path):
    for name, data in (("whole.jpg", JPEG), ("whole.png", PNG)):
        (tmp_path / name).write_bytes(data)
        assert read_image(tmp_path / name, upright=True).shape == (3, 37, 53)


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_decoded_is_named_with_its_remedy(tmp_path, name, upright):
    path = tmp_path / name
    path.write_bytes(UNREADABLE[name])
    with pytest.raises(BadImageError, match=r"--skip-bad-images") as raised:
        read_image(path, upright=upright)
    assert str(raised.value).startswith(f"cannot read image {path} (")
    assert len(str(raised.value).splitlines()) == 1


def test_what_a_decoder_says_is_cut_to_its_first_line(tmp_path, monkeypatch):
    def fails(file):
        raise ValueError("one\ntwo")

    path = written(tmp_path, "rgb.png")
    monkeypatch.setattr(Image, "open", fails)
    with pytest.raises(BadImageError, match=r"\(one\): fetch it again"):
        read_image(path, upright=False)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(BadImageError, match=f"cannot read image {tmp_path} "):
        read_image(tmp_path, upright=False)


def test_a_missing_image_asks_whether_the_dataset_is_complete(tmp_path):
    with pytest.raises(BadImageError, match=r"no image .*gone\.jpg: is the dataset complete\?"):
        read_image(tmp_path / "gone.jpg", upright=False)


@pytest.mark.parametrize("name", ["rgb.jpg", "rgb.png"])
def test_a_decompression_bomb_is_not_decoded(tmp_path, monkeypatch, name):
    path = written(tmp_path, name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 53 * 37 // 2 - 1)
    with pytest.raises(BadImageError, match=f"{name} .*decompression bomb"):
        read_image(path, upright=False)


def ramp(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, x + y], axis=2).astype(np.uint8) + 1  # nowhere black


EDGES = st.floats(-3, 70, allow_nan=False).map(lambda edge: round(edge, 1))


@given(st.integers(1, 60), st.integers(1, 60), st.tuples(EDGES, EDGES, EDGES, EDGES))
def test_a_box_is_cut_as_pillow_crops_or_lies_outside(height, width, box):
    pixels = ramp(height, width)
    left, top, right, bottom = (round(edge) for edge in box)
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    if left < min(right, width) and top < min(bottom, height):
        expected = Image.fromarray(pixels).crop((left, top, right, bottom))
        found = cut(image, box, "photo.jpg")
        np.testing.assert_array_equal(found.permute(1, 2, 0), np.asarray(expected))
    else:
        with pytest.raises(BadImageError, match=rf"photo\.jpg is {width} x {height}, its query"):
            cut(image, box, "photo.jpg")


@pytest.mark.parametrize(
    "box",
    [(100, 0, 120, 20), (0, 60, 20, 80), (30, 30, 30, 40), (30, 30, 40, 30), (40, 30, 30, 40)],
)
def test_a_box_outside_or_empty_says_that_the_lists_are_of_other_images(box):
    with pytest.raises(BadImageError, match=r"is 100 x 60, .*not the images that the lists were"):
        cut(torch.zeros(3, 60, 100, dtype=torch.uint8), box, "photo.jpg")


def test_beyond_the_edge_is_black():
    found = cut(torch.full((3, 4, 4), 9, dtype=torch.uint8), (2, 3, 6, 5), "photo.jpg")
    assert found[0].tolist() == [[9, 9, 0, 0], [0, 0, 0, 0]]
