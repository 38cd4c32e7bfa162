"""results.analysis.variance: against every order of adding axes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.analysis.variance import decompose, lmg, r_squared


def oracle_r2(columns, y):
    x = np.column_stack([np.ones(len(y)), *columns])
    residuals = y - x @ np.linalg.pinv(x) @ y
    return 1 - (residuals @ residuals) / ((y - y.mean()) @ (y - y.mean()))


def oracle_lmg(blocks, y):
    """What each adds, over all orders."""
    added = np.zeros(len(blocks))
    orders = list(itertools.permutations(range(len(blocks))))
    for order in orders:
        for place, block in enumerate(order):
            before = [blocks[one] for one in order[:place]]
            added[block] += oracle_r2([*before, blocks[block]], y) - (
                oracle_r2(before, y) if before else 0
            )
    return added / len(orders)


def sample(seed, widths, n_cells=14):
    draw = np.random.default_rng(seed)
    blocks = [draw.integers(-1, 2, size=(n_cells, width)).astype(float) for width in widths]
    return blocks, draw.normal(size=n_cells)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([(1,), (2, 1), (1, 2, 2), (1, 1, 3, 2)]))
def test_shares_are_means_over_all_orders_and_sum_to_r2(seed, widths):
    blocks, y = sample(seed, widths)
    shares = lmg(blocks, y)
    assert shares == pytest.approx(oracle_lmg(blocks, y), abs=1e-9)
    assert shares.sum() == pytest.approx(oracle_r2(blocks, y), abs=1e-9)
    assert (shares > -1e-12).all()


def test_axes_that_say_the_same_share_alike():
    (block,), y = sample(0, (2,))
    alone = r_squared(block, y)
    assert lmg([block, block], y) == pytest.approx([alone / 2, alone / 2])


def test_shares_do_not_depend_on_order():
    blocks, y = sample(3, (1, 2, 3))
    assert lmg(blocks[::-1], y)[::-1] == pytest.approx(lmg(blocks, y))


def test_a_balanced_design_has_the_shares_of_its_sums_of_squares():
    a, b = (np.array(values, float) for values in ([1, 1, -1, -1], [1, -1, 1, -1]))
    y = 3 * a + 1 * b + 2 * a * b
    found = decompose([a[:, None], b[:, None]], np.column_stack([a, b, a * b]), y, np.zeros(4))
    assert found.axes == pytest.approx((9 / 14, 1 / 14))
    assert found.pairs == pytest.approx(4 / 14)
    assert (found.rest, found.seeds) == pytest.approx((0, 0))


def test_seeds_take_what_lies_within_cells():
    a = np.array([1.0, 1, -1, -1])
    within = np.full(4, 2.0)  # twice the variance that a makes
    found = decompose([a[:, None]], a[:, None], a, within)
    assert found.axes == pytest.approx((1 / 3,))
    assert found.seeds == pytest.approx(2 / 3)


def test_the_rest_is_what_no_pair_fits():
    a, b, c = (np.array(v, float) for v in zip(*itertools.product([1, -1], repeat=3), strict=True))
    pairs = np.column_stack([a, b, c, a * b, a * c, b * c])
    found = decompose([v[:, None] for v in (a, b, c)], pairs, a + a * b * c, np.zeros(8))
    assert found.axes == pytest.approx((0.5, 0, 0))
    assert (found.pairs, found.rest) == pytest.approx((0, 0.5))


def test_alike_cells_have_no_variance():
    a = np.array([[1.0], [-1.0]])
    assert decompose([a], a, np.full(2, 0.1 + 0.2), np.zeros(2)) is None
