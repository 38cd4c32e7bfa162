"""bench.train.collapse: the effective rank by its definition, and one warning where it falls."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from bench.train.collapse import CollapseDetector, effective_rank


def oracle(rows):
    """Roy & Vetterli 2007, definition 1."""
    values = np.linalg.svd(rows.double().numpy(), compute_uv=False)
    shares = values / values.sum()
    return np.exp(-sum(share * np.log(share) for share in shares if share > 0))


def directions(rank, n=64, dims=16, seed=0):
    """Unit vectors in a random subspace."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, rank, generator=draw) @ torch.randn(rank, dims, generator=draw)
    return functional.normalize(rows, dim=1)


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 12), st.integers(1, 9))
def test_the_effective_rank_is_that_of_the_definition(seed, n, dims, rank):
    rows = directions(rank, n, dims, seed)
    found = effective_rank(rows)
    assert found == pytest.approx(oracle(rows), rel=1e-4)
    assert 1 - 1e-6 <= found <= min(n, dims) + 1e-6
    turned = torch.linalg.qr(torch.randn(dims, dims, dtype=torch.float64))[0]
    assert effective_rank(rows.double() @ turned * 3) == pytest.approx(found, rel=1e-4)


def test_known_ranks():
    assert effective_rank(torch.eye(7)) == pytest.approx(7)
    assert effective_rank(torch.eye(7)[[0, 1, 1, 0] * 5]) == pytest.approx(2)
    assert effective_rank(torch.ones(50, 7)) == pytest.approx(1, abs=1e-5)  # not centred
    assert effective_rank(torch.zeros(5, 7)) == effective_rank(torch.zeros(0, 7)) == 0


def test_it_leaves_no_graph():
    rows = directions(5).requires_grad_()
    detector = CollapseDetector(print, every=1)
    assert isinstance(effective_rank(rows), float)
    detector.see(1, rows)
    assert not detector.tensors["seen"].requires_grad


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 15))
def test_it_looks_at_the_last_descriptors(sizes, window):
    detector = CollapseDetector(lambda text: None, window=window, every=1)
    seen = torch.empty(0, 4)
    for step, n in enumerate(sizes, 1):
        batch = directions(4, n, 4, step)
        seen = torch.cat([seen, batch])
        assert detector.see(step, batch) == pytest.approx(oracle(seen[-window:]), rel=1e-4)
        assert torch.equal(detector.tensors["seen"], seen[-window:])


def run(ranks, *, every=1, stop=None):
    """Values by step and what is said, of batches that fill the window, of these ranks."""
    said, values = [], []
    detector = CollapseDetector(said.append, window=64, every=every)
    for step, rank in enumerate(ranks, 1):
        values.append(detector.see(step, directions(rank)))
        if step == stop:
            facts = json.loads(json.dumps(detector.facts, allow_nan=False))
            tensors = {name: tensor.clone() for name, tensor in detector.tensors.items()}
            detector = CollapseDetector(said.append, window=64, every=every)
            detector.put_back(tensors, facts)
    return values, said


@pytest.mark.parametrize("stop", [None, 1, 2, 3, 4, 5])
def test_a_fall_is_told_once(stop):
    values, said = run([16, 12, 3, 2, 2], stop=stop)
    assert len(said) == 1
    assert values[2] < values[0] / 4 < values[1]
    assert f"effective rank is {values[2]:.1f} of 16 dims after 3 steps" in said[0]
    assert f"it was {values[0]:.1f}" in said[0]


def test_what_goes_up_or_falls_a_little_is_not_told():
    values, said = run([3, 5, 12, 16, 8])
    assert said == []
    assert values[-1] < values[-2]


def test_one_direction_is_told_from_the_start():
    values, said = run([1])
    assert values == [pytest.approx(1, abs=1e-3)]
    assert len(said) == 1


def test_two_dims_are_no_collapse():
    detector = CollapseDetector(pytest.fail, every=1)
    assert detector.see(1, directions(2, dims=2)) < 2


def test_a_look_is_now_and_then():
    values, said = run([16, 1, 1, 1, 1, 1], every=3)
    assert [value is None for value in values] == [True, True, False, True, True, False]
    assert len(said) == 1
