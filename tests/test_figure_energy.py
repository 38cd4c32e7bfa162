"""bench.figures.energy: against the singular values of the centred descriptors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.figures import energy
from bench.figures.energy import components_for, cumulative_energy


def unit_rows(n, dims, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, dims)) * np.arange(1, dims + 1)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def slow(rows):
    """Shares of the variance, by a decomposition of the descriptors themselves."""
    rows = rows.astype(np.float64)
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    found = np.zeros(rows.shape[1])
    found[: len(values)] = values
    return np.cumsum(found) / found.sum()


@settings(max_examples=50)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(0, 99))
def test_energy_is_that_of_the_singular_values(n, dims, seed):
    rows = unit_rows(n, dims, seed)
    found = cumulative_energy(rows)
    if dims == 1 and len(np.unique(rows)) == 1:
        assert np.isnan(found).all()
        return
    assert found == pytest.approx(slow(rows), abs=1e-9)
    assert found[-1] == 1.0
    assert (np.diff(found) >= 0).all()


def test_blocks_change_nothing(monkeypatch):
    rows = unit_rows(50, 6)
    whole = cumulative_energy(rows)
    monkeypatch.setattr(energy, "ROWS", 7)
    assert cumulative_energy(rows) == pytest.approx(whole, rel=1e-12)


def test_images_that_could_not_be_read_do_not_count():
    rows = unit_rows(30, 5)
    with_bad = np.insert(rows, [0, 17, 30], 0.0, axis=0)
    assert cumulative_energy(with_bad) == pytest.approx(cumulative_energy(rows), rel=1e-12)


@pytest.mark.parametrize("rows", [unit_rows(1, 5), np.tile(unit_rows(1, 5), (9, 1))])
def test_one_point_has_no_energy(rows):
    found = cumulative_energy(rows)
    assert found.shape == (5,)
    assert np.isnan(found).all()
    assert components_for(found, 0.5) is None


def test_components_are_the_first_that_hold_a_share():
    found = np.array([0.5, 0.8, 0.95, 1.0])
    assert [components_for(found, share) for share in (0.4, 0.5, 0.51, 0.95, 1.0)] == [
        1,
        1,
        2,
        3,
        4,
    ]


def test_an_isotropic_cloud_fills_all_dims():
    rows = np.concatenate([np.eye(4), -np.eye(4)]).astype(np.float32)
    assert cumulative_energy(rows) == pytest.approx([0.25, 0.5, 0.75, 1.0])
