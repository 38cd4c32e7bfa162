"""results.plotting.points: what axes do, by a loop over pairs of cells; running means."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.plotting.points import Effect, effects_of, measured, running_mean
from results.store import ResultsError
from tests.reports import frame, report

VALUES = {
    "backbone": ("deit_s", "resnet50"),
    "resolution": (64, 224, 384),
    "loss": ("contrastive", "none", "snca"),
}
ALL = list(product(*VALUES.values()))
OWN = {"deit_s": "cls", "resnet50": "gem"}
"""Poolings."""


def recall(backbone, pixels, loss):
    """Each cell has its own number."""
    return 0.1 + ALL.index((backbone, pixels, loss)) ** 1.5 / 100


def reports_of(cells, **changes):
    return [
        report(
            f"{backbone}{pixels}{loss}",
            job={
                **report()["job"],
                "backbone": backbone,
                "pooling": OWN[backbone],
                "resolution": pixels,
                "loss": loss,
            },
            metrics={"r@1": recall(backbone, pixels, loss)},
            **changes,
        )
        for backbone, pixels, loss in cells
    ]


def effects(cells, axes=()):
    (study,) = measured(frame(*reports_of(cells)), "r@1")
    return {effect.axis: effect for effect in effects_of(study, axes)}


def neighbours(effect):
    """Pairs of values that a line joins: (from, to) in per cent, in the order of the axis."""
    return {
        (round(line[a], 6), round(line[b], 6))
        for line in effect.lines
        for a, b in combinations(np.flatnonzero(~np.isnan(line)), 2)
    }


@settings(max_examples=15)
@given(st.sets(st.sampled_from(ALL), min_size=8))
def test_lines_join_the_cells_that_differ_in_one_axis(cells):
    cells = sorted(cells, key=ALL.index)
    found = effects(cells)
    for place, (axis, values) in enumerate(VALUES.items()):
        expected = {
            tuple(round(100 * recall(*cell), 6) for cell in pair)
            for pair in combinations(cells, 2)
            if [at for at in range(3) if pair[0][at] != pair[1][at]] == [place]
        }
        name = "backbone+pooling" if axis == "backbone" else axis
        if expected:
            assert neighbours(found[name]) == expected
            taken = {str(cell[place]) for cell in cells}
            assert {text.split()[0] for text in found[name].names} == taken
            assert len(found[name].names) <= len(values)
        else:
            assert name not in found


def test_the_mean_is_that_of_whole_lines():
    lines = np.array([[1.0, 2.0, 4.0], [3.0, 4.0, 8.0], [100.0, np.nan, 100.0]])
    assert Effect("dims", ("1", "2", "3"), lines).mean.tolist() == [2.0, 3.0, 6.0]
    assert np.isnan(Effect("dims", ("1", "2", "3"), lines[2:]).mean).all()


def test_values_are_in_the_order_of_numbers():
    assert effects(ALL)["resolution"].names == ("64", "224", "384")
    assert effects(ALL)["backbone+pooling"].names == ("deit_s cls", "resnet50 gem")


def test_named_axes_alone():
    assert list(effects(ALL, ["resolution"])) == ["resolution"]
    assert list(effects(ALL, ["pooling", "loss"])) == ["backbone+pooling", "loss"]


def test_seeds_are_averaged():
    cells = reports_of([ALL[0], ALL[1]])
    seeds = [{**one, "job": {**one["job"], "seed": seed}} for one in cells for seed in (0, 1)]
    seeds[1]["metrics"] = {"r@1": recall(*ALL[0]) + 0.2}
    (study,) = measured(frame(*seeds), "r@1")
    (effect,) = effects_of(study)
    assert effect.lines[0].min() == pytest.approx(100 * recall(*ALL[1]))
    assert effect.lines[0].max() == pytest.approx(100 * (recall(*ALL[0]) + 0.1))


def test_each_dataset_is_by_itself():
    other = [
        {**one, "job": {**one["job"], "dataset": "cub", "dataset_title": "CUB"}}
        for one in reports_of(ALL[:2])
    ]
    found = measured(frame(*reports_of(ALL), *other), "r@1")
    assert [study.header for study in found] == ["SOP R@1", "CUB R@1"]


def test_what_cannot_be_compared_is_said():
    with pytest.raises(ResultsError, match="unknown metric 'r@3'"):
        measured(frame(*reports_of(ALL)), "r@3")
    with pytest.raises(ResultsError, match="unknown axis 'dim'; did you mean 'dims'"):
        effects(ALL, ["dim"])
    with pytest.raises(ResultsError, match="no two cells of SOP R@1 differ in dims alone"):
        effects(ALL, ["dims"])
    with pytest.raises(ResultsError, match="no two cells of SOP R@1 differ in one axis alone"):
        effects(ALL[:1])


@settings(max_examples=60)
@given(st.lists(st.floats(-5, 5) | st.just(np.nan), min_size=1, max_size=20), st.integers(1, 25))
def test_a_running_mean_is_that_of_the_values_around(values, window):
    found = running_mean(np.array(values), window)
    n, wide = len(values), min(window, len(values))
    assert len(found) == n
    for place in range(n):
        first = place - wide // 2
        near = [v for v in values[max(0, first) : first + wide] if not np.isnan(v)]
        if near:
            assert found[place] == pytest.approx(np.mean(near), abs=1e-9)
        else:
            assert np.isnan(found[place])
