"""registry.axes: from typed items to canonical values."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.job import Job
from registry.axes import AXES, axis_row, matches, split_items
from registry.errors import UsageError
from registry.losses import LOSSES
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
        ("pooling", "*", ["cls", "cls+dist", "avg", "max", "gem", "gem_learned", "rmac"]),
        ("loss", "contrastive(beta=0.5)", ["contrastive"]),
        (
            "loss",
            "contrastive(beta=0.3)+koleo(lambda=0,0.7,1)",
            [
                f"contrastive(beta=0.3)+{koleo}"
                for koleo in ("koleo(lambda=0)", "koleo", "koleo(lambda=1)")
            ],
        ),
        ("loss", "contrastive*", ["contrastive", "contrastive_mean", "contrastive_euclidean"]),
        ("recipe", "irt-[sc]*", ["irt-sop", "irt-cub"]),
        ("recipe", "twin(lr=0.001,5e-4)", ["twin(lr=0.001)", "twin"]),
        ("test_resolution", "same", ["same"]),
        ("test_resolution", "64..128:32", ["64", "96", "128"]),
    ],
)
def test_items_and_their_values(axis, item, values):
    assert AXES[axis].read(item) == values


def test_no_glob_means_a_loss_that_needs_another_beside_it():
    found = AXES["loss"].read("*")
    assert "none" in found
    assert not [name for name in found if LOSSES[name].regulariser]
    with pytest.raises(UsageError, match="unknown loss 'koleo"):
        AXES["loss"].read("koleo*")


def test_a_field_of_the_recipe_is_an_axis():
    assert axis_row("recipe.lr").read("1e-5") == axis_row("recipe.lr").read("0.00001") == ["1e-05"]
    assert axis_row("recipe.sampler").known == ("class_balanced", "random", "hard_class", "tuples")
    assert axis_row("recipe.channels_last").known == ("yes", "no")
    assert axis_row("recipe.lr").known == ()
    assert axis_row("dims") is AXES["dims"]


def test_select_is_short_for_a_field_of_the_recipe():
    row = axis_row("select")
    assert (row.name, row.known) == ("recipe.selection", ("last", "validation", "test"))


@pytest.mark.parametrize(
    ("axis", "item", "message"),
    [
        ("recipe.lr", "fast", "recipe.lr must be a number, not 'fast'"),
        ("recipe.steps", "1.5", "recipe.steps must be a whole number"),
        ("select", "tset", "unknown recipe.selection 'tset'; did you mean 'test'"),
        ("recipe.compile", "true", r"unknown recipe.compile 'true' .*yes, no"),
        ("recipe.transform", "squar", "did you mean 'square"),
    ],
)
def test_a_value_that_a_field_cannot_have_is_said(axis, item, message):
    with pytest.raises(UsageError, match=message):
        axis_row(axis).read(item)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("recipe.stepz", "unknown field of a recipe 'stepz'; did you mean 'steps'"),
        ("recipe.meaning", "unknown field of a recipe 'meaning'"),
        ("recipe.version", "unknown field of a recipe 'version'"),
        ("resolutoin", "did you mean 'resolution'"),
    ],
)
def test_what_is_no_axis_is_said(axis, message):
    with pytest.raises(UsageError, match=message):
        axis_row(axis)


def test_patterns_of_exclude_mean_canonical_values():
    assert matches("loss", "contrastive(beta=0.50)", "contrastive")
    assert matches("recipe", "twin*", "twin(lr=0.1)")
    assert not matches("recipe", "twin", "twin(lr=0.1)")
    assert matches("select", "test", "test")


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
