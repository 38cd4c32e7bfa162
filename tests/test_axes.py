"""registry.axes: from typed items to canonical values."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.job import Job
from registry.axes import AXES, split_items
from registry.errors import UsageError
from results import names


def test_axes_are_the_fields_of_a_job():
    assert list(AXES) == list(Job.__dataclass_fields__)
    assert tuple(AXES) == names.AXES


@pytest.mark.parametrize(
    ("axis", "item", "values"),
    [
        ("dims", "128", ["128"]),
        ("dims", "0128", ["128"]),
        ("dims", "native", ["native"]),
        ("dims", "32..512:x2", ["32", "64", "128", "256", "512"]),
        ("dims", "32..100:x2", ["32", "64"]),
        ("seed", "0..3", ["0", "1", "2", "3"]),
        ("dims", "100..300:100", ["100", "200", "300"]),
        ("backbone", "deit_?", ["deit_s", "deit_b"]),
        ("dataset", "twin-r*", ["twin-roxford", "twin-rparis"]),
        ("pooling", "*", ["cls", "cls+dist", "avg", "max", "gem", "gem_learned"]),
        ("loss", "contrastive(beta=0.5)", ["contrastive"]),
        (
            "loss",
            "contrastive+koleo(beta=0.3,lambda=0,0.3,1)",
            [f"contrastive+koleo(beta=0.3,lambda={value})" for value in ("0", "0.3", "1")],
        ),
    ],
)
def test_items_and_their_values(axis, item, values):
    assert AXES[axis].read(item) == values


def test_twins_are_all_five():
    assert len(AXES["dataset"].read("twins")) == 5


@pytest.mark.parametrize(
    ("axis", "item", "message"),
    [
        ("dims", "0", "is not a value"),
        ("dims", "12.5", "is not a value"),
        ("dims", "64..32", "counts no values"),
        ("dims", "1..8:x1", "counts no values"),
        ("seed", "0..8:x2", "counts no values"),
        ("dims", "1..8:0", "counts no values"),
        ("dims", "99999999", "is not a value"),
        ("dataset", "twin-cab", "did you mean 'twin-cub'"),
        ("train", "twin", "did you mean 'twins'"),
        ("pooling", "clss", "did you mean 'cls'"),
        ("weights", "scratchy", "did you mean 'scratch'"),
        ("weights", "file:/nowhere.pth", "there is no file /nowhere.pth"),
        ("weights", "dir:/nowhere", "there is no folder /nowhere"),
        ("dataset", "folder:/nowhere", "there is no folder /nowhere"),
    ],
)
def test_what_is_wrong_is_said(axis, item, message):
    with pytest.raises(UsageError, match=message):
        AXES[axis].read(item)


@pytest.mark.parametrize("axis", AXES)
def test_known_values_can_be_typed(axis):
    for value in AXES[axis].known:
        if not value.endswith((":PATH", ":NAME")):
            assert AXES[axis].read(value)


@given(st.lists(st.sampled_from(["a", "b(c=1,2)", "d(e=1)", "f"]), min_size=1))
def test_commas_inside_parentheses_do_not_split(items):
    assert split_items(",".join(items)) == items


@given(st.integers(1, 500), st.integers(0, 500), st.integers(2, 9))
def test_a_geometric_range_is_what_it_says(first, more, factor):
    values = [int(value) for value in AXES["dims"].read(f"{first}..{first + more}:x{factor}")]
    assert values[0] == first
    assert all(b == a * factor for a, b in itertools.pairwise(values))
    assert values[-1] <= first + more < values[-1] * factor
