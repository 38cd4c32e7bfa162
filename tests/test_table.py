"""registry.table"""

import pytest

from registry.backbones import BACKBONES
from registry.errors import UsageError
from registry.poolings import POOLINGS
from registry.table import Table


def test_two_rows_of_one_name_are_refused():
    rows = list(POOLINGS.values())
    with pytest.raises(ValueError, match="two pooling rows are called 'cls'"):
        Table("pooling", [*rows, rows[0]])


def test_an_unknown_name_answers_with_near_ones():
    with pytest.raises(UsageError, match=r"unknown backbone 'deit_m'; did you mean 'deit_s'"):
        BACKBONES["deit_m"]


def test_a_glob_keeps_the_order_of_the_table():
    assert BACKBONES.matching("deit_?") == ["deit_s", "deit_b"]


def test_a_glob_that_matches_nothing_is_an_error():
    with pytest.raises(UsageError, match="did you mean"):
        BACKBONES.matching("resnet5")


@pytest.mark.parametrize("table", [BACKBONES, POOLINGS])
def test_keys_are_names(table):
    assert all(name == row.name for name, row in table.items())
