"""results.emphasis: the best and the second number of each column, group by group."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from results.cells import MISSING, Cell
from results.emphasis import emphasised
from results.signatures import Difference

ODD = (Difference("ties", "expected", "optimistic"),)
TOLD = (Difference("transductive", "False", "True"),)
# A few values that round alike, so that ties are common.
VALUES = st.one_of(
    st.sampled_from([50.0, 50.04, 50.06, 49.96, 0.0, 100.0, 12.25, 12.35, math.nan]),
    st.floats(0, 100),
)
CELLS = st.builds(Cell, VALUES, differences=st.sampled_from([(), (), ODD, TOLD]))
GRIDS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8)
)


def by_sorting(cells):
    """What is printed largest, and second largest, of the cells that may be compared."""
    printed = [
        float(f"{cell.value:.1f}")
        for cell in cells
        if not math.isnan(cell.value) and ODD[0] not in cell.differences
    ]
    if len(printed) < 2:
        return ["" for _ in cells]
    ranked = [*sorted(set(printed), reverse=True), None]
    names = {f"{ranked[0]:.1f}": "best"}
    if ranked[1] is not None:
        names[f"{ranked[1]:.1f}"] = "second"
    return [
        ""
        if math.isnan(cell.value) or ODD[0] in cell.differences
        else names.get(f"{cell.value:.1f}", "")
        for cell in cells
    ]


@settings(max_examples=60)
@given(GRIDS, st.data())
def test_emphasis_is_what_sorting_says_column_by_column_in_each_group(grid, data):
    groups = data.draw(st.lists(st.sampled_from("abc"), min_size=len(grid), max_size=len(grid)))
    found = emphasised(grid, groups)
    for title in set(groups):
        rows = [place for place, name in enumerate(groups) if name == title]
        for column in range(len(grid[0])):
            expected = by_sorting([grid[row][column] for row in rows])
            assert [found[row][column] for row in rows] == expected


def column(*cells, groups=None):
    return [row[0] for row in emphasised([[cell] for cell in cells], groups or [""] * len(cells))]


def test_numbers_that_are_printed_alike_are_both_best():
    assert column(Cell(50.04), Cell(49.96), Cell(49.94)) == ["best", "best", "second"]


def test_numbers_that_are_printed_alike_are_both_second():
    assert column(Cell(49.94), Cell(60), Cell(49.86)) == ["second", "best", "second"]
    assert column(Cell(3), Cell(2), Cell(1)) == ["best", "second", ""]


def test_alike_in_all_are_all_best():
    assert column(Cell(1.0), Cell(1.0)) == ["best", "best"]


def test_another_protocols_number_is_none_however_large():
    assert column(Cell(99, differences=ODD), Cell(1), Cell(2)) == ["", "second", "best"]
    assert column(Cell(99, differences=ODD), Cell(1)) == ["", ""]


def test_what_has_a_mark_of_its_own_takes_part():
    assert column(Cell(99, differences=TOLD), Cell(1)) == ["best", "second"]


def test_the_only_number_is_none():
    assert column(Cell(1)) == [""]
    assert column(Cell(1), MISSING) == ["", ""]
    assert column(Cell(1), Cell(2), Cell(3), groups=["a", "b", "b"]) == ["", "second", "best"]


def test_no_rows_have_no_emphasis():
    assert emphasised([], []) == []
