"""registry.transforms: each is what Pillow would have done, but for rounding."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional

from bench.decode import cut, read_image
from registry.transforms import (
    AUGMENTATIONS,
    TRANSFORMS,
    Target,
    any_crop,
    crop_and_flip,
    resized_crop_and_flip,
)

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
SIDES = st.integers(1, 80)
SIZES = st.integers(8, 64)
RNG = np.random.default_rng(0)
NOISE = torch.from_numpy(RNG.integers(0, 256, (3, 80, 80), dtype=np.uint8))
EVALUATED = ["short_center", "square", "long_side", "short_side"]


def transformed(name, image, size, *, interpolation="bicubic", multiple=1, whole=None):
    row = TRANSFORMS[name] if name in TRANSFORMS else AUGMENTATIONS[name]
    target = Target(size, interpolation, multiple)
    return row.resize(image, whole or max(image.shape[-2:]), target)


def by_pillow(name, image, size, interpolation):
    """Do the same with Pillow: resize to (width, height), then perhaps crop the centre."""
    picture = functional.to_pil_image(image)
    width, height = picture.size
    short, long = min(picture.size), max(picture.size)
    if name == "square":
        sides = (size, size)
    elif name == "long_side":
        sides = (round(size / long * width), round(size / long * height))
    elif name == "short_side":
        sides = (round(size / short * width), round(size / short * height))
    elif name == "square_random_flip":
        sides = (round(size * 256 / 224),) * 2
    else:
        edge = round(size * 256 / 224)
        sides = (edge * width // short, edge * height // short)
    # across, then down: Pillow 13 (#9549) turns it round for some, and what overshoots is clipped
    across = picture.resize((sides[0], height), FILTERS[interpolation])
    resized = functional.pil_to_tensor(across.resize(sides, FILTERS[interpolation]))
    if name != "short_center":
        return resized
    left, top = (round((side - size) / 2) for side in sides)
    return resized[:, top : top + size, left : left + size]


@pytest.fixture(scope="module")
def photographs(shared):
    """Every twentieth."""
    groceries = sorted((shared / "groceries").rglob("*.jpg"))[::20]
    birds = sorted((shared / "birds" / "images").rglob("*.jpg"))[::20]
    assert (len(groceries), len(birds)) == (21, 30)
    return [read_image(path, upright=True) for path in [*groceries, *birds]]


@pytest.mark.parametrize("size", [64, 224, 256, 384])
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("name", [*EVALUATED, "short_random_flip", "square_random_flip"])
def test_photographs_are_within_a_grey_level_of_pillows(photographs, name, interpolation, size):
    """The bound: two levels anywhere, more than one in ten of a million, any in a hundredth."""
    off = np.zeros(3, dtype=np.int64)
    values = 0
    for image in photographs:
        found = transformed(name, image, size, interpolation=interpolation).numpy()
        expected = by_pillow(name, image, size, interpolation).numpy()
        assert found.shape == expected.shape
        apart = np.maximum(found, expected) - np.minimum(found, expected)
        off += [np.count_nonzero(apart > levels) for levels in range(3)]
        values += apart.size
    assert off[2] == 0
    assert off[1] <= 1e-5 * values
    assert off[0] <= 0.01 * values


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("square", 80, NOISE),
        ("long_side", 80, NOISE),
        ("short_side", 80, NOISE),
        ("cirtorch", 80, NOISE),
        ("short_center", 70, NOISE[:, 5:75, 5:75]),
        ("short_random_flip", 70, NOISE),
        ("square_random_flip", 70, NOISE),
        ("random_resized_crop_flip", 70, NOISE),
    ],
)
@pytest.mark.parametrize("interpolation", FILTERS)
def test_an_image_that_has_the_size_is_not_resampled(name, size, expected, interpolation):
    assert torch.equal(transformed(name, NOISE, size, interpolation=interpolation), expected)


@pytest.mark.parametrize("name", EVALUATED)
def test_the_filters_are_two(name):
    one, other = (transformed(name, NOISE, 48, interpolation=kind) for kind in FILTERS)
    assert not torch.equal(one, other)


@given(SIDES, SIDES, SIZES)
def test_short_center_and_square_give_a_square_of_any_aspect(height, width, size):
    image = NOISE[:, :height, :width]
    for name in ("short_center", "square"):
        assert transformed(name, image, size).shape == (3, size, size)


RANDOM = [name for name, row in AUGMENTATIONS.items() if row.augment]


@given(st.sampled_from(RANDOM), SIDES, SIDES, SIZES)
def test_training_images_are_larger_than_their_crops(name, height, width, size):
    found = transformed(name, NOISE[:, :height, :width], size)
    assert min(found.shape[-2:]) == round(size * 256 / 224) >= size
    assert (len(set(found.shape[-2:])) == 1) or name != "square_random_flip"


@given(st.sampled_from(RANDOM), SIDES, SIDES, SIZES, st.integers(0, 2**32))
def test_training_images_become_squares_of_the_size(name, height, width, size, seed):
    kept = transformed(name, NOISE[:, :height, :width], size).permute(1, 2, 0).numpy()
    found = AUGMENTATIONS[name].augment(kept, size, np.random.default_rng(seed))
    assert found.shape == (size, size, 3)
    assert found.dtype == np.uint8


def test_landmarks_are_trained_as_they_are_evaluated():
    trained, evaluated = AUGMENTATIONS["square"], TRANSFORMS["square"]
    assert trained.augment is None
    assert (trained.resize, trained.version) == (evaluated.resize, evaluated.version)


@given(
    st.sampled_from(["long_side", "short_side"]), SIDES, SIDES, SIZES, st.sampled_from([1, 14, 16])
)
def test_aspects_are_kept_but_for_rounding_to_the_multiple(name, height, width, size, multiple):
    found = transformed(name, NOISE[:, :height, :width], size, multiple=multiple)
    scale = size / (max if name == "long_side" else min)(height, width)
    for side, was in zip(found.shape[-2:], (height, width), strict=True):
        assert side >= multiple
        assert side % multiple == 0
        assert abs(side - scale * was) <= multiple / 2 + 0.5 or side == multiple


@pytest.mark.parametrize(
    ("name", "multiple", "shape"),
    [
        ("long_side", 1, (48, 64)),
        ("long_side", 14, (42, 70)),
        ("short_side", 1, (64, 85)),
        ("short_side", 16, (64, 80)),
        ("cirtorch", 1, (48, 64)),
        ("cirtorch", 14, (42, 70)),
    ],
)
def test_a_photograph_of_four_to_three_becomes(name, multiple, shape):
    image = torch.zeros(3, 375, 500, dtype=torch.uint8)
    assert transformed(name, image, 64, multiple=multiple).shape == (3, *shape)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_only_what_keeps_the_aspect_says_so(name):
    found = transformed(name, torch.zeros(3, 50, 100, dtype=torch.uint8), 32)
    assert TRANSFORMS[name].keeps_aspect == (found.shape != (3, 32, 32))


def thumbnail(image, side):
    picture = functional.to_pil_image(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    return functional.pil_to_tensor(picture)


def test_cirtorch_is_pillows_thumbnail(photographs):
    for image in photographs[::5]:
        assert torch.equal(transformed("cirtorch", image, 224), thumbnail(image, 224))


@given(SIDES, SIDES, SIZES)
def test_cirtorch_never_enlarges(height, width, size):
    image = NOISE[:, :height, :width]
    found = transformed("cirtorch", image, size)
    assert max(found.shape[-2:]) == min(size, max(height, width))
    if max(height, width) <= size:
        assert torch.equal(found, image)


@given(SIDES, SIDES, st.integers(0, 200), SIZES)
def test_cirtorch_shrinks_a_crop_as_much_as_its_whole(height, width, more, size):
    crop = NOISE[:, :height, :width]
    whole = max(height, width) + more
    found = transformed("cirtorch", crop, size, whole=whole)
    side = size * max(height, width) / whole
    assert torch.equal(found, thumbnail(crop, max(1, side)))
    if size >= whole:
        assert torch.equal(found, crop)


def test_a_crop_never_shrinks_to_nothing():
    assert transformed("cirtorch", NOISE[:, :1, :3], 8, whole=80).shape == (3, 1, 1)


def images_from_list(path, imsize, bbx):
    """ImagesFromList of cnnimageretrieval-pytorch, re-derived: crop, then imresize."""
    with Image.open(path) as file:
        img = file.convert("RGB")
    imfullsize = max(img.size)
    if bbx is not None:
        img = img.crop(bbx)
        imsize = imsize * max(img.size) / imfullsize
    img.thumbnail((imsize, imsize), Image.Resampling.LANCZOS, reducing_gap=None)
    return functional.pil_to_tensor(img)


@pytest.mark.parametrize("size", [64, 200, 1024])
@pytest.mark.parametrize("box", [None, (31.6, 20.2, 200.5, 98.5), (0.0, 0.0, 90.0, 139.6)])
def test_cirtorch_equals_the_fields_own_loader(shared, box, size):
    for path in sorted((shared / "birds" / "images").rglob("*.jpg"))[::60]:
        image = read_image(path, upright=False)
        part = image if box is None else cut(image, box, path)
        found = transformed("cirtorch", part, size, whole=max(image.shape))
        assert torch.equal(found, images_from_list(path, size, box))


GRID = np.stack([*np.mgrid[:40, :56], np.zeros((40, 56))], axis=2).astype(np.uint8)
"""Every pixel says where it is: its row is its red, its column its green."""


def place(crop):
    """Row and column of the corner, and whether it is flipped."""
    flipped = bool(crop[0, 0, 1] > crop[0, -1, 1])
    corner = crop[0, -1] if flipped else crop[0, 0]
    return int(corner[0]), int(corner[1]), flipped


@given(st.integers(2, 40), st.integers(0, 2**32))
def test_a_random_crop_lies_inside_as_it_is_or_flipped(size, seed):
    crop = crop_and_flip(GRID, size, np.random.default_rng(seed))
    top, left, flipped = place(crop)
    expected = GRID[top : top + size, left : left + size]
    np.testing.assert_array_equal(crop, expected[:, ::-1] if flipped else expected)
    assert crop.shape == (size, size, 3)


def test_random_crops_reach_every_place_and_both_flips():
    places = {place(crop_and_flip(GRID, 37, np.random.default_rng(seed))) for seed in range(2000)}
    assert places == {(y, x, flip) for y in range(4) for x in range(20) for flip in (False, True)}


def test_one_crop_in_two_is_flipped():
    rng = np.random.default_rng(0)
    flips = [place(crop_and_flip(GRID, 30, rng))[2] for _ in range(1000)]
    assert 0.45 < np.mean(flips) < 0.55


def test_a_random_crop_is_its_generators_alone():
    before = GRID.copy()
    crops = []
    for seed in range(20):
        one, same = (np.random.default_rng(seed) for _ in range(2))
        crops.append(crop_and_flip(GRID, 30, one))
        np.random.seed(seed)  # noqa: NPY002 - what it must not depend on
        np.testing.assert_array_equal(crops[-1], crop_and_flip(GRID, 30, same))
    assert len({crop.tobytes() for crop in crops}) > 10
    np.testing.assert_array_equal(GRID, before)


@pytest.mark.parametrize("augment", [crop_and_flip, resized_crop_and_flip])
def test_a_random_variant_leaves_the_kept_image_alone(augment):
    """Kept images are memory that cannot be written to."""
    kept = GRID.copy()
    kept.flags.writeable = False
    found = augment(kept, 30, np.random.default_rng(0))
    assert not np.shares_memory(found, kept) or augment is crop_and_flip
    np.testing.assert_array_equal(kept, GRID)


@pytest.mark.parametrize("shape", [(256, 340), (340, 256), (256, 256), (256, 1100), (1100, 256)])
def test_crops_of_any_scale_are_distributed_as_torchvisions(shape):
    """Kolmogorov-Smirnov, of top, left, area and aspect; very long images have few places."""
    ks_2samp = pytest.importorskip("scipy.stats").ks_2samp
    rng = np.random.default_rng(0)
    ours = np.array([any_crop(*shape, rng) for _ in range(2000)])
    image = torch.empty(3, *shape)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = np.array(
            [RandomResizedCrop.get_params(image, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(2000)]
        )
    for measure in (
        lambda crop: crop[:, 0],
        lambda crop: crop[:, 1],
        lambda crop: crop[:, 2] * crop[:, 3],
        lambda crop: crop[:, 3] / crop[:, 2],
    ):
        assert ks_2samp(measure(ours), measure(theirs)).pvalue > 1e-3


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32))
def test_a_crop_of_any_scale_lies_inside(height, width, seed):
    top, left, down, across = any_crop(height, width, np.random.default_rng(seed))
    assert 0 <= top <= top + down <= height
    assert 0 <= left <= left + across <= width
    assert min(down, across) > 0


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((20, 400), (0, 186, 20, 27)),
        ((400, 20), (186, 0, 27, 20)),
    ],
)
def test_of_a_very_long_image_the_largest_crop_of_the_centre_is_taken(shape, expected):
    found = {any_crop(*shape, np.random.default_rng(seed)) for seed in range(20)}
    assert found == {expected}


def test_a_crop_of_any_scale_is_resized_as_pillow_would(photographs):
    """Photographs of short side 256, as they are kept; bilinear, within two grey levels."""
    for number, image in enumerate(photographs[::3]):
        kept = transformed("random_resized_crop_flip", image, 224).permute(1, 2, 0).numpy()
        found = resized_crop_and_flip(kept, 224, np.random.default_rng(number))
        rng = np.random.default_rng(number)
        top, left, height, width = any_crop(*kept.shape[:2], rng)
        part = Image.fromarray(kept[top : top + height, left : left + width])
        expected = np.asarray(part.resize((224, 224), Image.Resampling.BILINEAR)).astype(int)
        if rng.random() < 0.5:
            expected = expected[:, ::-1]
        apart = np.abs(found - expected)
        assert apart.max() <= 2
        assert np.mean(apart > 1) <= 1e-5


def test_crops_of_any_scale_are_their_generators_alone():
    made = []
    for seed in range(40):
        one, same = (np.random.default_rng(seed) for _ in range(2))
        made.append(resized_crop_and_flip(GRID, 24, one))
        torch.manual_seed(seed)  # what it must not depend on
        np.testing.assert_array_equal(made[-1], resized_crop_and_flip(GRID, 24, same))
    assert len({crop.tobytes() for crop in made}) == 40
    flips = [place(crop)[2] for crop in made]
    assert 8 < sum(flips) < 32
