"""results.chosen: reports by AXIS=VALUE words, or by a key."""

import pytest

from results.chosen import check_metrics, check_one_cell, chosen, newest, read_words
from results.store import ResultsError
from tests.reports import frame, report

CELLS = frame(
    report("3fa2", job__dims=128, job__test_resolution=256),
    report("3fb", job__dims=384),
    report("91bc77", job__backbone="resnet50", job__dims=384, job__seed=0),
    report("91c", job__dataset="cub", job__dims=384),
)


def keys(text):
    return chosen(CELLS, text, "A")["key"].tolist()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dims=128", ["3fa2"]),
        ("dims=384", ["3fb", "91bc77", "91c"]),
        ("backbone=deit_s  dims=384", ["3fb", "91c"]),
        ("dataset=cub", ["91c"]),
        ("seed=0", ["91bc77"]),  # a float beside reports that have none
        ("test_resolution=256", ["3fa2"]),
        ("test_resolution=- dims=384 dataset=sop", ["3fb", "91bc77"]),
        ("crop=- train=-", ["3fa2", "3fb", "91bc77", "91c"]),
        ("3fa2", ["3fa2"]),
        ("3f", ["3fa2", "3fb"]),
        ("91", ["91bc77", "91c"]),
    ],
)
def test_words_and_keys_stand_for_reports(text, found):
    assert keys(text) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"A '' begins the key of no finished cell: give AXIS=VALUE words, or a key \(bench"),
        ("f", "A 'f' begins the key of no finished cell"),
        ("resnet50", "A 'resnet50' begins the key of no finished cell: give AXIS=VALUE words"),
        ("dims=64", r'A "dims=64": no finished cell has dims=64 \(128, 384\)'),
        ("dims=128 backbone=resnet50", r"no finished cell has backbone=resnet50 \(deit_s\)"),
        ("dim=64", r"unknown axis 'dim'; did you mean 'dims'\? \(known: dataset, train, "),
        ("=64", "unknown axis ''"),
        ("dims=", r"""A "dims=": 'dims=' is no AXIS=VALUE"""),
        ("dims=128 resnet50", r"""A "dims=128 resnet50": 'resnet50' is no AXIS=VALUE"""),
        ("dims=128 dims=384", 'A "dims=128 dims=384": dims cannot be 128 and 384'),
    ],
)
def test_what_stands_for_nothing_is_answered_with_what_is_known(text, message):
    with pytest.raises(ResultsError, match=message) as error:
        keys(text)
    assert error.value.exit_code == 2


def test_words_are_read_in_their_order():
    found = read_words(" loss=none dims=8 dims=8 ", "--baseline")
    assert list(found.items()) == [("loss", "none"), ("dims", "8")]
    assert read_words("dataset=folder:a=b", "A") == {"dataset": "folder:a=b"}
    assert read_words("", "--baseline") == {}


def test_reports_that_differ_in_their_seed_are_one_cell():
    check_one_cell(frame(report("k", job__seed=0), report("kk", job__seed=1)), "A", "loss=none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"job__dims": 8},
            'A "loss=none" is 2 cells of sop: they differ in dims (384, 8); add dims=…',
        ),
        (
            {"job__crop": "box"},
            'A "loss=none" is 2 cells of sop: they differ in crop (-, box); add crop=…',
        ),
    ],
)
def test_reports_of_several_cells_are_refused_naming_the_axis(changes, message):
    with pytest.raises(ResultsError) as error:
        check_one_cell(frame(report("k"), report("kk", **changes)), "A", "loss=none")
    assert str(error.value) == message


def test_the_newest_of_reports_that_agree_in_every_axis_is_kept():
    """In the order in which they were finished, whatever the order of their keys."""
    found = newest(
        frame(
            report("new", finished="3"),
            report("old", finished="1"),
            report("seed", job__seed=1, finished="2"),
        )
    )
    assert found["key"].tolist() == ["seed", "new"]


def test_an_unknown_metric_answers_with_those_of_the_reports():
    check_metrics(CELLS, ["r@1", "map@r"])
    with pytest.raises(ResultsError, match=r"unknown metric 'r@2'; .* \(known: map@r, r@1, r@10\)"):
        check_metrics(CELLS, ["r@1", "r@2"])
    with pytest.raises(ResultsError, match="unknown metric 'gmacs'"):
        check_metrics(CELLS, ["gmacs"])
