"""bench.train.group: several processes do what one does, and hear of each other's ends."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.layers.evo_norm import EvoNorm2dB0
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from bench.train import group as group_module
from bench.train.group import ALONE, Group, joined
from bench.train.synchronised import synchronise
from registry.errors import UsageError, WorkError
from tests import ranks

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
CASES = [(6, (5,), "float64"), (7, (5,), "float32"), (8, (), "int64"), (3, (2, 3), "int64")]
SHAPES = [
    ((3, 4), "float64", {0, 1, 2}),
    ((5,), "float32", {0, 1, 2}),
    ((2, 2), "float32", {1}),
    ((4,), "float32", set()),
    ((), "float32", {0, 1, 2}),
    ((3,), "float32", {0, 1, 2}),
]
"""Shape, type, the ranks that have a gradient; the last one does not learn."""


@pytest.fixture(scope="module", params=[2, 3])
def together(request):
    found = ranks.on_ranks(request.param, ranks.everything, CASES, SHAPES)
    assert all(found), "a rank died"
    return found


@pytest.fixture(scope="module")
def alone():
    return ranks.train(), ranks.train(precision="float32")


@given(st.integers(1, 9), st.integers(0, 40))
def test_parts_are_a_partition_in_order(size, more):
    total = size + more
    parts = [range(total)[Group(rank, size).part(total)] for rank in range(size)]
    assert [row for part in parts for row in part] == list(range(total))
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 1


def test_fewer_images_than_ranks_are_refused(together):
    for one in together:
        assert "too few for" in one["refused"]


def test_what_is_gathered_is_the_whole_with_a_graph_to_the_own_part(together):
    for rank, one in enumerate(together):
        for (total, columns, dtype), (whole, gradient) in zip(CASES, one["gathered"], strict=True):
            expected = ranks.values_of(total, (total, *columns), getattr(torch, dtype)).numpy()
            assert whole.dtype == expected.dtype
            np.testing.assert_array_equal(whole, expected)
            if gradient is not None:
                own = Group(rank, len(together)).part(total)
                weights = ranks.values_of(1, expected.shape, getattr(torch, dtype))[own]
                np.testing.assert_array_equal(gradient, weights.numpy())


def test_gradients_are_summed_over_those_that_have_one(together):
    size = len(together)
    for place, (shape, dtype, holders) in enumerate(SHAPES[:-1]):
        parts = [
            ranks.values_of(100 * place + rank, shape, getattr(torch, dtype)).numpy()
            for rank in holders & set(range(size))
        ]
        for one in together:
            found = one["summed"][place]
            if not parts:
                assert found is None
            else:
                np.testing.assert_allclose(found, sum(parts), rtol=1e-6, atol=1e-6)
                np.testing.assert_array_equal(found, together[0]["summed"][place])
    for rank, one in enumerate(together):  # frozen: left as it was
        expected = ranks.values_of(100 * (len(SHAPES) - 1) + rank, (3,), torch.float32)
        np.testing.assert_array_equal(one["summed"][-1], expected.numpy())


@pytest.mark.parametrize("most", [1, 6, 10**6])
def test_buckets_hold_all_that_learns_once_and_one_type_each(monkeypatch, most):
    monkeypatch.setattr(group_module, "BUCKET", most)
    parameters = [nn.Parameter(torch.zeros(n)) for n in (2, 3, 9, 1, 1)]
    parameters.insert(2, nn.Parameter(torch.zeros(2, dtype=torch.float64)))
    parameters[0].requires_grad_(False)
    found = list(group_module._buckets(parameters))
    assert [id(p) for bucket in found for p in bucket] == [id(p) for p in parameters[1:]]
    for bucket in found:
        assert len({parameter.dtype for parameter in bucket}) == 1
        assert len(bucket) == 1 or sum(parameter.numel() for parameter in bucket) <= most
    assert len(found) == {1: 5, 6: 4, 10**6: 3}[most]


def test_flags_and_states_are_everybodys(together):
    for rank, one in enumerate(together):
        said = one["agreed"]
        assert said["any"] == [True, False, True]
        assert said["shared"] == {"of": 0}
        assert said["calls"] == (rank == 0)
        assert said["same"] == [[0.0] * 3] * 2
        assert said["same_gradients"] == ([7.0, 7.0], None)
        assert said["agreed"] == rank


def test_what_fails_on_one_rank_fails_on_all(together):
    """Of each failure: the error, and whether it is the rank's own."""
    lost, theirs, mine = ("LostRankError", False), ("MemoryError", False), ("MemoryError", True)
    wrong = ("ValueError", True)
    expected = [
        [theirs, mine, lost, lost],  # at last out of memory itself: another try would be alone
        [mine, theirs, wrong, wrong],
        [theirs, theirs, lost, lost],
    ]
    for one, errors in zip(together, expected, strict=False):
        assert one["agreed"]["errors"] == errors


def test_ranks_draw_apart_and_together_after(together):
    before, first, second, after = zip(*(one["drawn"] for one in together), strict=True)
    assert all(found == before[0] for found in before)
    assert all(found == after[0] for found in after)
    apart = [tuple(found) for found in (*first, *second)]
    assert len(set(apart)) == 2 * len(together)


def test_a_training_is_the_same_as_in_one_process(together, alone):
    expected, _ = alone
    for one in together:
        found = one["trained"]
        np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-10)
        np.testing.assert_allclose(found["norms"], expected["norms"], rtol=1e-9)
        assert found["unused"] == expected["unused"] == [None, None]
        for kind in ("parameters", "memory"):
            for got, wanted in zip(found[kind], expected[kind], strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-7, atol=1e-10)


def test_a_training_in_float32_is_the_same_but_for_rounding(together, alone):
    _, expected = alone
    for one in together:
        found = one["float32"]
        np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-5)
        for kind in ("parameters", "memory"):
            for got, wanted in zip(found[kind], expected[kind], strict=True):
                np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)


def test_the_training_that_is_compared_moves(alone):
    fresh = ranks.train(steps=1)
    for expected in alone:
        moved = [
            np.abs(one - other).max()
            for one, other in zip(fresh["parameters"], expected["parameters"], strict=True)
        ]
        assert sorted(moved)[2] > 1e-4  # the two that are never used stay


@pytest.mark.parametrize("precision", ["trained", "float32"])
def test_ranks_are_the_same_to_the_last_bit(together, precision):
    for one in together[1:]:
        for kind in ("parameters", "memory"):
            for got, wanted in zip(one[precision][kind], together[0][precision][kind], strict=True):
                np.testing.assert_array_equal(got, wanted)
        assert one[precision]["losses"] == together[0][precision]["losses"]


def test_ranks_that_are_short_of_memory_take_smaller_pieces_alike(together):
    """Also where one of them has a single image, and need not."""
    for place, images in enumerate((3, 5)):
        expected, _ = ranks.run_short(most=images, images=images)
        lowered = {one["short"][place][1] for one in together}
        assert lowered == {0 if images == len(together) else 1}
        for one in together:
            for got, wanted in zip(one["short"][place][0], expected, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


def test_a_rank_that_dies_is_heard_of():
    first, second = ranks.on_ranks(2, ranks.lose_one)
    assert second is None
    assert first == ["LostRankError", "LostRankError", "LostRankError", "KeyError"]


def test_alone_everything_is_what_it_was():
    own = torch.zeros(3, 2, requires_grad=True)
    assert ALONE.first
    assert ALONE.part(5) == slice(0, 5)
    assert ALONE.gather(own, 3) is own
    assert ALONE.any(True)
    assert not ALONE.any(False)
    assert ALONE.shared(lambda: own) is own
    assert ALONE.agreed(lambda: own) is own
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = kept = torch.ones(2)
    ALONE.sum_gradients([parameter])
    ALONE.same_gradients([parameter])
    ALONE.same([parameter])
    assert parameter.grad is kept
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with ALONE.drawing_apart(CPU):
        assert torch.equal(torch.rand(3), expected)


def test_nobody_to_join_is_said(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=r"RANK.* not set: start this with torchrun"), joined(CPU):
        pass


def network_of(norm):
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(norm), nn.BatchNorm2d(4).eval())


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), BatchNormAct2d(4)])
def test_batch_norms_in_training_are_synchronised(norm):
    network = network_of(norm)
    before, keys = list(network.parameters()), list(network.state_dict())
    frozen = network[2]
    synchronise(network, CUDA, Group(0, 2))
    assert isinstance(network[1][0], nn.SyncBatchNorm)
    assert network[2] is frozen
    assert [id(parameter) for parameter in network.parameters()] == [id(found) for found in before]
    assert list(network.state_dict()) == keys
    assert getattr(network[1][0], "act", None) is getattr(norm, "act", None)


def test_batch_norms_that_cannot_be_synchronised_are_refused():
    with pytest.raises(WorkError, match="2 processes on cpu: use a recipe that freezes them"):
        synchronise(network_of(nn.BatchNorm2d(4)), CPU, Group(0, 2))
    with pytest.raises(
        WorkError, match=r"\(EvoNorm2dB0\) cannot be taken over 3 processes on cuda"
    ):
        synchronise(network_of(EvoNorm2dB0(4)), CUDA, Group(0, 3))


def test_other_networks_stay_as_they_are():
    alone, frozen = network_of(nn.BatchNorm2d(4)), network_of(nn.BatchNorm2d(4)).eval()
    norms = alone[1][0], frozen[1][0]
    synchronise(alone, CPU, ALONE)
    synchronise(frozen, CPU, Group(0, 2))
    assert (alone[1][0], frozen[1][0]) == norms
