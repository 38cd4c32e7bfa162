"""registry.poolings: every pooling against numpy, R-MAC's regions against cirtorch's."""

import math

import numpy as np
import pytest
import torch

from registry.errors import WorkError
from registry.poolings import POOLINGS, Tokens, squares

RNG = np.random.default_rng(0)
PREFIX = RNG.normal(size=(3, 2, 5)).astype(np.float32)
HEIGHT, WIDTH = 3, 4
POSITIONS = RNG.normal(size=(3, HEIGHT * WIDTH, 5)).astype(np.float32)
CLAMPED = np.maximum(POSITIONS.astype(np.float64), 1e-6)


def regions_of_cirtorch(height, width):
    """Rows and columns of every square, in float32 as cirtorch computes them."""
    short = min(height, width)
    steps = np.float32(max(height, width) - short) / np.arange(1, 7, dtype=np.float32)
    overlap = (np.float32(short**2) - np.float32(short) * steps) / np.float32(short**2)
    more = 1 + int(np.argmin(np.abs(overlap - np.float32(0.4))))
    along = {"height": more * (height > width), "width": more * (width > height)}

    def begins(size, side, count):
        centre = math.floor(side / 2 - 1)
        step = np.float32(0 if count == 1 else (size - side) / (count - 1))
        centres = np.floor(np.float32(centre) + np.arange(count, dtype=np.float32) * step)
        return [int(begin) for begin in centres - centre]

    for scale in (1, 2, 3):
        side = math.floor(2 * short / (scale + 1))
        for top in begins(height, side, scale + along["height"]):
            for left in begins(width, side, scale + along["width"]):
                if side > 0:
                    yield range(top, top + side), range(left, left + side)


def slow_rmac(grid):
    """(B, H, W, C) float64: the whole map and each square, one image and one region at a time."""
    height, width = grid.shape[1:3]
    regions = [(range(height), range(width)), *regions_of_cirtorch(height, width)]
    pooled = []
    for image in grid:
        maxima = [
            np.max([image[row, column] for row in rows for column in columns], axis=0)
            for rows, columns in regions
        ]
        pooled.append(sum(vector / (np.linalg.norm(vector) + 1e-6) for vector in maxima))
    return np.array(pooled)


ORACLES = {
    "cls": PREFIX[:, 0],
    "cls+dist": (PREFIX[:, 0] + PREFIX[:, 1]) / 2,
    "avg": POSITIONS.mean(axis=1),
    "max": POSITIONS.max(axis=1),
    "gem": (CLAMPED**3).mean(axis=1) ** (1 / 3),
    "gem_learned": (CLAMPED**3).mean(axis=1) ** (1 / 3),
    "rmac": slow_rmac(POSITIONS.astype(np.float64).reshape(3, HEIGHT, WIDTH, 5)),
}


def tokens(positions=POSITIONS, rows=HEIGHT):
    return Tokens(torch.from_numpy(PREFIX), torch.from_numpy(positions), rows)


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_is_its_definition(name):
    pooled = POOLINGS[name].build()(tokens())
    np.testing.assert_allclose(pooled.detach().numpy(), ORACLES[name], rtol=1e-5, atol=1e-6)


def test_learned_gem_learns_its_exponent():
    pool = POOLINGS["gem_learned"].build()
    pool(tokens()).sum().backward()
    (exponent,) = pool.parameters()
    assert exponent.grad is not None
    assert torch.isfinite(exponent.grad)
    assert exponent.grad != 0


SHAPES = [(1, 1), (1, 3), (2, 2), (3, 2), (5, 9), (7, 7), (7, 10), (12, 12), (14, 9), (24, 32)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", ["positions", "map"])
def test_rmac_is_the_slow_one_for_every_shape_and_layout(shape, layout):
    """A feature map's positions are a transposed view, as a ConvNet's are."""
    grid = np.maximum(RNG.normal(size=(2, *shape, 6)), 0)
    flat = torch.from_numpy(grid.astype(np.float32).reshape(2, -1, 6))
    if layout == "map":
        flat = flat.transpose(1, 2).contiguous().transpose(1, 2)
    pooled = POOLINGS["rmac"].build()(Tokens(flat[:, :0], flat, shape[0]))
    np.testing.assert_allclose(pooled.numpy(), slow_rmac(grid), rtol=1e-5, atol=1e-5)


def test_rmacs_regions_are_cirtorchs():
    """Of every map whose sides differ by no more than 2.4 times, panoramas being left out."""
    for height in range(1, 41):
        for width in range(1, 41):
            if max(height, width) <= 2.4 * min(height, width):
                ours = [(range(a, b), range(c, d)) for a, b, c, d in squares(height, width)]
                assert ours == list(regions_of_cirtorch(height, width)), (height, width)


def test_rmacs_regions_by_hand():
    """Of 7 x 7 and 12 x 12, the maps of the paper's Table 7; 32 x 24 is of an image 1024 x 768."""
    assert list(squares(7, 7)) == [
        *[(0, 7, 0, 7)],
        *[(top, top + 4, left, left + 4) for top in (0, 3) for left in (0, 3)],
        *[(top, top + 3, left, left + 3) for top in (0, 2, 4) for left in (0, 2, 4)],
    ]
    assert [len(list(squares(*shape))) for shape in [(12, 12), (32, 24), (1, 1)]] == [14, 20, 1]
    assert list(squares(32, 24))[:2] == [(0, 24, 0, 24), (8, 32, 0, 24)]


def test_rmac_has_a_gradient_where_a_region_is_zero():
    positions = torch.zeros(1, 4, 3, requires_grad=True)
    POOLINGS["rmac"].build()(Tokens(positions[:, :0], positions, 2)).sum().backward()
    assert torch.isfinite(positions.grad).all()


@pytest.mark.parametrize("rows", [0, 5])
def test_positions_that_are_no_grid_are_refused(rows):
    with pytest.raises(WorkError, match=r"12 positions are no grid .*bench list pooling"):
        POOLINGS["rmac"].build()(tokens(rows=rows))
    POOLINGS["avg"].build()(tokens(rows=rows))
