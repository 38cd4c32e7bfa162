"""bench.train.memory: the last descriptors in the order they came, wherever they lie."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.train.memory import CrossBatchMemory
from registry.losses.labelled import Labelled

CPU = torch.device("cpu")
DIMS = 3
COUNTS = st.lists(st.integers(1, 9), max_size=25)


def batches_of(counts):
    """Batches whose rows are numbered through, in all of their parts."""
    ends = np.cumsum([0, *counts])
    for start, end in pairwise(ends):
        numbers = torch.arange(start, end)
        rows = numbers[:, None] + torch.tensor([0.0, 0.25, 0.5])
        yield Labelled(rows.requires_grad_(), numbers + 1000, numbers + 2000, numbers)


def filled(size, counts):
    memory = CrossBatchMemory(size)
    for batch in batches_of(counts):
        memory.add(batch)
    return memory


def numbers_of(content):
    """Read which rows there are; the parts have to agree on it."""
    numbers = [] if content is None else (content.labels - 1000).tolist()
    if content is not None:
        rows = np.array(numbers)[:, None] + np.array([0.0, 0.25, 0.5])
        np.testing.assert_array_equal(content.descriptors, rows.reshape(-1, DIMS))
        assert (content.images - 2000).tolist() == numbers
    return numbers


def laid(memory):
    """Where the content starts in its storage, and how large that is."""
    return [(part.storage_offset(), part.untyped_storage().nbytes()) for part in memory.content[:3]]


@given(st.integers(1, 30), COUNTS)
def test_it_holds_the_last_rows_in_the_order_they_came(size, counts):
    memory, expected = CrossBatchMemory(size), []
    for batch in batches_of(counts):
        memory.add(batch)
        expected = [*expected, *(batch.labels - 1000).tolist()][-size:]
        assert numbers_of(memory.content) == expected
        assert not memory.content.descriptors.requires_grad
        assert memory.content.descriptors.is_contiguous()
        assert memory.content.tuples is None


@given(st.integers(1, 30), COUNTS)
def test_what_was_content_is_not_overwritten(size, counts):
    memory, before = CrossBatchMemory(size), []
    for batch in batches_of(counts):
        memory.add(batch)
        before.append((memory.content, numbers_of(memory.content)))
    assert all(numbers_of(content) == numbers for content, numbers in before)


@given(st.integers(1, 30), COUNTS, st.integers(1, 9))
def test_what_was_added_can_be_taken_back(size, counts, more):
    """As an attempt is that runs out of memory: it leaves no trace, in the layout neither."""
    once, twice = filled(size, counts), filled(size, counts)
    *_, batch = batches_of([*counts, more])
    held = twice.content
    twice.add(batch._replace(descriptors=batch.descriptors + 1))
    twice.content = held
    for memory in (once, twice):
        memory.add(batch)
    assert numbers_of(twice.content) == numbers_of(once.content)
    assert laid(twice) == laid(once)


@given(st.integers(0, 30), COUNTS, COUNTS)
def test_put_back_it_goes_on_in_the_same_layout(size, counts, more):
    memory, other = filled(size, counts), CrossBatchMemory(size)
    tensors = {name: tensor.clone() for name, tensor in memory.tensors.items()}
    other.put_back(tensors, memory.facts, CPU)
    for batch in list(batches_of([*counts, *more]))[len(counts) :]:
        assert other.facts == memory.facts
        memory.add(batch)
        other.add(batch)
    assert numbers_of(other.content) == numbers_of(memory.content)
    if memory.content:
        assert laid(other) == laid(memory)


def test_a_batch_moves_nothing_else_until_the_room_ends():
    memory, rooms = CrossBatchMemory(800), []
    for batch in batches_of([10] * 200):
        memory.add(batch)
        rooms.append(memory.content.labels.untyped_storage().data_ptr())
    moves = sum(one != other for one, other in pairwise(rooms))
    assert moves == (200 - 90) // 11  # 90 fill the first room; 10 go behind each full window


@pytest.mark.parametrize("counts", [[], [3], [3, 4]])
def test_a_memory_of_no_size_stays_empty(counts):
    memory = filled(0, counts)
    assert memory.content is None
    assert memory.tensors == {}
