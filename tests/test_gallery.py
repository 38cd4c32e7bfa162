"""Neighbours, hubs, wins and losses against slow definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.gallery import disagreed, hubs, read_found, wins_and_losses
from results.outcomes import Outcomes
from results.seal import file_checksum
from results.store import DamagedReportError, ResultsError

QUERIES = ("a", "b", "c")


def outcomes(values, queries=None):
    names = tuple(queries or (f"q{place}" for place in range(len(values))))
    places = np.arange(len(values))
    return Outcomes(names, np.array(values, dtype=np.float64), places, names, "query")


@pytest.fixture
def parquet(tmp_path):
    table = pd.DataFrame(
        {
            "query": list(QUERIES),
            "class": ["x", "x", "y"],
            "r@1": [1.0, 0.0, np.nan],
            "nearest": [["b", "c"], ["c", "a"], ["b"]],
            "nearest_similarity": [[0.9, 0.5], [0.8, 0.7], [0.6]],
            "nearest_grade": [["relevant", "wrong"], ["wrong", "relevant"], ["wrong"]],
        }
    )
    path = tmp_path / "k.parquet"
    table.to_parquet(path)
    return path


def test_neighbours_of_the_queries_asked_for_are_read(parquet):
    found = read_found(parquet, ["b", "c"], 3, file_checksum(parquet))
    assert set(found.neighbours) == {"b", "c"}
    assert [tuple(one) for one in found.neighbours["b"]] == [
        ("c", 0.8, "wrong"),
        ("a", 0.7, "relevant"),
    ]
    assert [one.path for one in found.neighbours["c"]] == ["b"]


def test_classes_are_those_of_queries_and_of_what_is_relevant_to_them(tmp_path):
    table = pd.DataFrame(
        {
            "query": ["a"],
            "class": ["x"],
            "nearest": [["g", "h"]],
            "nearest_similarity": [[0.9, 0.5]],
            "nearest_grade": [["relevant", "wrong"]],
        }
    )
    table.to_parquet(tmp_path / "k.parquet")
    assert read_found(tmp_path / "k.parquet", ["a"], 2).classes == {"a": "x", "g": "x"}


def test_landmarks_have_no_classes(parquet):
    pd.read_parquet(parquet).drop(columns="class").to_parquet(parquet)
    assert read_found(parquet, ["a"], 3).classes == {}


def test_a_changed_file_is_damaged(parquet):
    with pytest.raises(DamagedReportError, match="its checksum is wrong"):
        read_found(parquet, ["a"], 3, "0" * 64)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("no")])
def test_a_missing_or_unreadable_file_is_damaged(parquet, damage):
    damage(parquet)
    with pytest.raises(DamagedReportError, match="cannot read the neighbours"):
        read_found(parquet, ["a"], 3)


def test_a_file_without_neighbours_is_damaged(tmp_path):
    pd.DataFrame({"query": ["a"], "r@1": [1.0]}).to_parquet(tmp_path / "k.parquet")
    with pytest.raises(DamagedReportError, match="cannot read the neighbours"):
        read_found(tmp_path / "k.parquet", ["a"], 3)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(0, 60))
def test_hubs_are_beyond_two_deviations_of_all_gallery_images(counts, unseen):
    occurrences = {f"i{place}": count for place, count in enumerate(counts)}
    everything = np.array([*counts, *[0] * unseen], dtype=np.float64)
    limit = everything.mean() + 2 * everything.std() if len(everything) else 0
    margin = 1e-9 * (1 + limit)
    found = hubs(occurrences, len(counts) + unseen)
    assert {image for image, count in occurrences.items() if count > limit + margin} <= set(found)
    assert all(occurrences[image] == count > limit - margin for image, count in found.items())


def test_one_image_that_every_query_finds_is_a_hub():
    assert hubs({"hub": 40, "a": 1, "b": 1}, 100) == {"hub": 40}


def test_hubs_of_a_report_are_counted_over_all_queries(tmp_path):
    rows = [
        {
            "query": f"q{place}",
            "nearest": ["hub", f"g{place}"],
            "nearest_similarity": [0.9, 0.8],
            "nearest_grade": ["wrong", "wrong"],
        }
        for place in range(30)
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "k.parquet")
    assert read_found(tmp_path / "k.parquet", ["q3"], 50).hubs == {"hub": 30}


PAIRS = st.lists(st.tuples(*[st.integers(0, 3)] * 4), max_size=12)


@given(PAIRS)
def test_wins_and_losses_are_ordered_by_difference_then_by_the_finer_metric(values):
    columns = list(zip(*values, strict=True)) or [(), (), (), ()]
    a, b, fine_a, fine_b = (outcomes(column) for column in columns)
    won, lost = wins_and_losses(a, b, (fine_a, fine_b))
    by_query = dict(zip(a.queries, values, strict=True))
    assert set(won) == {query for query, (x, y, *_) in by_query.items() if x > y}
    assert set(lost) == {query for query, (x, y, *_) in by_query.items() if x < y}
    for queries, sign in ((won, 1), (lost, -1)):
        keys = [
            (sign * (x - y), sign * (p - q))
            for x, y, p, q in (by_query[query] for query in queries)
        ]
        assert keys == sorted(keys, reverse=True)


def test_a_finer_metric_of_other_queries_is_left_aside():
    a, b = outcomes([1, 1]), outcomes([0, 0])
    finer = outcomes([1, 0], ["x", "y"])
    assert wins_and_losses(a, b, (finer, finer)) == (["q0", "q1"], [])


def test_other_queries_are_no_wins():
    with pytest.raises(ResultsError, match="different queries"):
        wins_and_losses(outcomes([1.0], ["a"]), outcomes([1.0], ["b"]))


def test_what_cells_disagree_on_comes_with_the_greatest_spread_first():
    cells = [outcomes([0, 0, 1, 0.5]), outcomes([0, 1, 1, 0.7]), outcomes([0, 0, 1, 0.5])]
    assert disagreed(cells) == ["q1", "q3"]
    with pytest.raises(ResultsError, match="different queries"):
        disagreed([cells[0], outcomes([1.0], ["b"])])
