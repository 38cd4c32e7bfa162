"""bench.matrix"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.matrix import excluded_by, read_matrix
from registry.errors import UsageError

AXES = {"backbone": ["deit_s", "resnet50", "swin_t"], "dims": ["32", "64"], "seed": ["0", "1"]}


def read(*words, preset=None, exclude=()):
    return read_matrix(words, preset=preset, exclude=exclude)


def test_the_first_axis_varies_slowest_and_twins_are_the_default():
    cells = list(read("dims=128,384", "backbone=deit_s,resnet50").cells())
    assert len(cells) == 20
    assert [cell["dims"] for cell in cells] == ["128"] * 10 + ["384"] * 10
    assert [cell["backbone"] for cell in cells[:10]] == ["deit_s"] * 5 + ["resnet50"] * 5


@given(st.permutations(list(AXES)), st.data())
def test_cells_are_the_product_in_the_order_typed(order, data):
    chosen = {
        axis: data.draw(st.lists(st.sampled_from(AXES[axis]), min_size=1, unique=True))
        for axis in order
    }
    if "backbone" not in chosen:
        return
    words = [f"{axis}={','.join(values)}" for axis, values in chosen.items()]
    cells = list(read(*words, "dataset=twin-sop").cells())
    expected = [
        dict(zip(chosen, values, strict=True)) | {"dataset": "twin-sop"}
        for values in itertools.product(*chosen.values())
    ]
    assert cells == expected


def test_fields_of_the_recipe_and_sums_are_axes():
    matrix = read(
        "backbone=tiny_vit",
        "dataset=twin-sop",
        "recipe.lr=1e-5,3e-5",
        "select=last,test",
        "loss=none,contrastive(beta=0.3,0.5)+koleo",
    )
    assert matrix.axes["recipe.lr"] == ("1e-05", "3e-05")
    assert matrix.axes["recipe.selection"] == ("last", "test")
    assert matrix.axes["loss"] == ("none", "contrastive(beta=0.3)+koleo", "contrastive+koleo")
    assert len(list(matrix.cells())) == 2 * 2 * 3


def test_an_axis_by_both_its_names_is_given_twice():
    with pytest.raises(UsageError, match=r"axis recipe\.selection is given twice"):
        read("backbone=tiny_vit", "select=last", "recipe.selection=test")


def test_a_value_typed_twice_counts_once():
    assert len(list(read("backbone=deit_s,deit_*", "dataset=twin-sop").cells())) == 8


def test_the_command_line_replaces_the_presets_axis():
    matrix = read("dims=32", preset="smoke")
    assert matrix.axes["dims"] == ("32",)
    assert matrix.axes["backbone"] == ("tiny_vit", "tiny_conv")


def test_exclude_drops_cells_that_match_all_its_axes():
    matrix = read("backbone=deit_s,resnet50", "dims=64,128", exclude=["backbone=res* dims=128"])
    dropped = [cell for cell in matrix.cells() if excluded_by(cell, {}, matrix)]
    assert {(cell["backbone"], cell["dims"]) for cell in dropped} == {("resnet50", "128")}
    assert excluded_by(dropped[0], {}, matrix) == "backbone=res* dims=128"


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ((), {}, "nothing to run"),
        (("dims=128",), {}, "no backbone"),
        (("deit_s",), {}, "is not AXIS=VALUE"),
        (("bakbone=deit_s",), {}, "did you mean 'backbone'"),
        (("backbone=deit_s", "backbone=swin_t"), {}, "given twice"),
        (("backbone=deit_s,",), {}, "empty value"),
        (("backbone=",), {}, "empty value"),
        (("backbone=deit_s",), {"preset": "smok"}, "did you mean 'smoke'"),
        (("backbone=deit_s",), {"exclude": [""]}, "--exclude is empty"),
        (("backbone=deit_s",), {"exclude": ["dims=x"]}, "is not a value"),
    ],
)
def test_what_is_wrong_is_said(words, options, message):
    with pytest.raises(UsageError, match=message):
        read(*words, **options)
