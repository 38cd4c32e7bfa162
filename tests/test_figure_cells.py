"""bench.figures.cells: which reports a figure shows."""

import pytest

from bench.figures.cells import cells_of
from tests.reports import frame, report

TRAINED = "contrastive+koleo(lambda=0)"
"""A loss of figures 2 to 4."""


def cell(key, **job):
    return report(key, job={**report()["job"], "backbone": "resnet50", "loss": TRAINED, **job})


def shown(*reports, preset="irt-fig2"):
    kept, notes = cells_of(preset, frame(*reports))
    return kept["key"].tolist(), notes


def test_other_cells_are_left_out():
    others = [
        cell("b", backbone="deit_s"),
        cell("cc", dataset="cub"),
        cell("ddd", loss="contrastive(beta=0.3)+koleo"),
        cell("eeee", loss="snca"),
    ]
    assert shown(cell("a"), *others) == (["a"], [])


def test_all_values_of_an_axis_are_shown():
    assert shown(cell("a"), cell("bb", loss="none"), cell("ccc", seed=1)) == (
        ["a", "bb", "ccc"],
        [],
    )


def test_a_real_dataset_goes_before_its_twin():
    twin = cell("bb", dataset="twin-sop")
    assert shown(cell("a"), twin) == (["a"], [])
    assert shown(twin) == (["bb"], [])
    assert shown(twin, cell("ccc", dataset="twin-cub")) == (["bb"], [])


def test_where_no_cell_has_a_value_all_stay_and_it_is_said():
    cells = [cell("a", backbone="tiny_vit"), cell("bb", backbone="tiny_conv")]
    assert shown(*cells) == (
        ["a", "bb"],
        ["not the preset's backbone (resnet50): tiny_vit, tiny_conv"],
    )


@pytest.mark.parametrize(("dims", "notes"), [(256, 0), (128, 1)])
def test_numbers_are_values_too(dims, notes):
    one = cell("a", dataset="rparis", backbone="deit_s", loss="none", dims=dims)
    assert len(shown(one, preset="irt-fig5")[1]) == notes


def test_the_newest_of_equal_cells_is_shown():
    assert shown(cell("old"), cell("newer"))[0] == ["newer"]  # finished when their keys are long
