"""results.grouping: rows that cost about the same stand together."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.grouping import COSTS, arranged, by_axis, by_cost, check_grouping
from results.store import ResultsError

NAMES = st.sampled_from(["gmacs", "params", "bytes"])
# What networks cost: from kilobytes to the largest, in the reports' units, with near ones.
AMOUNTS = st.one_of(
    st.floats(0.001, 1e9, allow_subnormal=False), st.sampled_from([1.0, 1.05, 1.1, 1.1001, 1.21])
)


@settings(max_examples=60)
@given(NAMES, st.lists(AMOUNTS, min_size=1, max_size=12))
def test_costs_of_a_group_are_within_ten_per_cent_of_its_least(name, costs):
    titles = by_cost(name, costs)
    assert len(titles) == len(costs)
    groups = {
        title: [c for c, t in zip(costs, titles, strict=True) if t == title] for title in titles
    }
    for members in groups.values():
        assert max(members) <= 1.1 * min(members)
    ends = sorted((min(members), max(members)) for members in groups.values())
    for (least, most), (following, _) in pairwise(ends):
        assert most < following  # groups are runs of the sorted costs
        assert following > 1.1 * least  # and as long as can be


@settings(max_examples=60)
@given(NAMES, st.lists(AMOUNTS, min_size=1, max_size=12))
def test_arranged_rows_are_all_there_once_group_by_group_from_the_cheapest(name, costs):
    titles = by_cost(name, costs)
    order = arranged(titles, costs)
    assert sorted(order) == list(range(len(costs)))
    found = [titles[place] for place in order]
    assert len(list(dict.fromkeys(found))) == sum(
        1 for place, title in enumerate(found) if place == 0 or found[place - 1] != title
    )
    least = [min(costs[p] for p in order if titles[p] == title) for title in dict.fromkeys(found)]
    assert least == sorted(least)
    for title in set(titles):  # in their own order within a group
        places = [place for place in order if titles[place] == title]
        assert places == sorted(places)


@settings(max_examples=60)
@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_groups_without_costs_stand_as_they_first_appear(titles):
    found = [titles[place] for place in arranged(titles, None)]
    expected = [title for first in dict.fromkeys(titles) for title in titles if title == first]
    assert found == expected


@pytest.mark.parametrize(
    ("name", "costs", "titles"),
    [
        ("gmacs", [4.598, 4.9, 1.0], ["GMACs 4.6–4.9", "GMACs 4.6–4.9", "GMACs 1"]),
        ("gmacs", [1.0, 1.1, 1.2], ["GMACs 1–1.1", "GMACs 1–1.1", "GMACs 1.2"]),
        ("gmacs", [0.005191, 0.0052], ["GMACs 0.00519–0.0052"] * 2),
        ("params", [21_665_664, 23_508_032], ["params (M) 21.7–23.5"] * 2),
        ("params", [304_000_000.0], ["params (M) 304"]),
        ("bytes", [1536, 512, 1600], ["bytes 1536–1600", "bytes 512", "bytes 1536–1600"]),
        ("bytes", [16384], ["bytes 16384"]),
        ("bytes", [0, 0, 64], ["bytes 0", "bytes 0", "bytes 64"]),
    ],
)
def test_a_groups_title_says_between_which_costs_it_is(name, costs, titles):
    assert by_cost(name, costs) == titles


def test_an_axis_groups_by_its_value():
    assert by_axis("dims", ["8", "16", "8"]) == ["dims 8", "dims 16", "dims 8"]


def test_known_groupings():
    for name in COSTS:
        check_grouping(name, ["backbone"])
    check_grouping("loss", ["backbone", "loss"])


def test_an_unknown_grouping_answers_with_known_ones():
    with pytest.raises(ResultsError) as error:
        check_grouping("flops", ["backbone"])
    assert re.search(
        r"unknown grouping 'flops'.* \(known: gmacs, params, bytes, dataset, ", str(error.value)
    )
    with pytest.raises(ResultsError, match="did you mean 'params'"):
        check_grouping("param", ["backbone"])


def test_a_grouping_by_what_rows_do_not_have_says_what_to_do():
    with pytest.raises(ResultsError, match=r"by loss: it is no row axis; add it to --rows"):
        check_grouping("loss", ["backbone"])
