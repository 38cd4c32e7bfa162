"""results.outcomes: what is read of a report's Parquet, and which outcomes can be paired."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from results.outcomes import (
    check_same_queries,
    difference,
    mean_over,
    outcomes_of,
    read_outcomes,
)
from results.seal import file_checksum
from results.store import DamagedReportError, ResultsError, load
from tests.made_outcomes import differing, made

ODD_NAMES = [
    "a_b & c",
    "<script>alert(1)</script>",
    "naïve \u00e9/e\u0301",
    "\u05e9\u05dc\u05d5\u05dd \u202eabc",
    "鳥 🐦",
    "quote \" ' \\ % # {} $",
    " spaced ",
    "007",
    "nan",
]


def written(path, **columns):
    """A Parquet as reports have it, neighbour lists and all."""
    count = len(next(iter(columns.values())))
    table = {
        "query_position": range(count),
        "query": [f"images/{place}.jpg" for place in range(count)],
        **columns,
        "nearest": [["images/0.jpg"]] * count,
        "nearest_similarity": [[0.5]] * count,
        "nearest_grade": [["wrong"]] * count,
    }
    pd.DataFrame(table).to_parquet(path)
    return path


@pytest.fixture
def birds(tmp_path):
    """Five queries of two classes that take turns."""
    hits = {"r@1": [1.0, 0.0, 0.5, 1.0, 1.0], "map@r": [0.1, 0.2, 0.3, 0.4, 0.5]}
    return written(tmp_path / "birds.parquet", **{"class": list("bacab")}, **hits)


@pytest.fixture
def landmarks(tmp_path):
    """Four queries, of which two have nothing easy to find."""
    easy = {"map_easy": [np.nan, 0.25, np.nan, 0.75], "map_hard": [0.1, 0.2, 0.3, 0.4]}
    return written(tmp_path / "landmarks.parquet", **easy)


def test_classes_are_the_units_where_there_are_any(birds):
    found = read_outcomes(birds, "r@1")
    assert found.queries == tuple(f"images/{place}.jpg" for place in range(5))
    assert found.per_query.tolist() == [1.0, 0.0, 0.5, 1.0, 1.0]
    assert [found.units[unit] for unit in found.unit_of] == list("bacab")
    assert found.unit == "class"
    assert dict(zip(found.units, found.sums(), strict=True)) == {"a": 1.0, "b": 2.0, "c": 0.5}
    assert dict(zip(found.units, found.sizes(), strict=True)) == {"a": 2, "b": 2, "c": 1}
    assert found.mean == 0.7


def test_queries_are_the_units_of_landmarks_and_those_without_a_value_do_not_count(landmarks):
    found = read_outcomes(landmarks, "map_easy")
    assert found.queries == found.units == ("images/1.jpg", "images/3.jpg")
    assert found.unit == "query"
    assert found.per_query.tolist() == found.sums().tolist() == [0.25, 0.75]
    assert found.mean == 0.5
    assert read_outcomes(landmarks, "map_hard").mean == 0.25


def test_a_class_without_a_counted_query_is_no_unit(tmp_path):
    path = written(tmp_path / "q.parquet", **{"class": list("abb"), "r@1": [np.nan, 1.0, 0.0]})
    found = read_outcomes(path, "r@1")
    assert found.units == ("b",)
    assert found.unit_of.tolist() == [0, 0]


def test_odd_class_names_are_kept_as_they_are(tmp_path):
    path = written(
        tmp_path / "q.parquet",
        **{"class": ODD_NAMES * 2, "r@1": np.arange(2 * len(ODD_NAMES)) / 100},
    )
    found = read_outcomes(path, "r@1")
    assert found.units == tuple(ODD_NAMES)
    assert found.sizes().tolist() == [2] * len(ODD_NAMES)


def test_an_unknown_metric_is_named_with_its_file(birds):
    with pytest.raises(ResultsError, match="has no r@7 of single queries") as raised:
        read_outcomes(birds, "r@7")
    assert str(birds) in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("content", [b"", b"no Parquet", None, "half"])
@pytest.mark.parametrize("checked", [True, False])
def test_a_damaged_file_is_named(birds, content, checked):
    whole, checksum = birds.read_bytes(), file_checksum(birds)
    if content is None:
        birds.unlink()
    else:
        birds.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(DamagedReportError) as raised:
        read_outcomes(birds, "r@1", checksum if checked else None)
    assert str(birds) in str(raised.value)
    assert "run its matrix again" in str(raised.value)
    assert raised.value.exit_code == 1


def test_a_file_is_read_if_its_checksum_is_the_reports(birds):
    checksum = file_checksum(birds)
    assert read_outcomes(birds, "r@1", checksum).mean == 0.7
    with pytest.raises(DamagedReportError, match="its checksum is wrong"):
        read_outcomes(birds, "r@1", checksum[::-1])


def test_a_file_written_anew_is_read_anew(birds):
    before = read_outcomes(birds, "r@1", file_checksum(birds))
    written(birds, **{"class": list("ab"), "r@1": [0.0, 0.0]})
    after = read_outcomes(birds, "r@1", file_checksum(birds))
    assert (before.mean, after.mean) == (0.7, 0.0)


def cell(*paths):
    """Rows of results.load's frame, as far as outcomes need them."""
    return pd.DataFrame(
        {
            "per_query": [str(path) for path in paths],
            "per_query_sha256": [file_checksum(path) for path in paths],
        }
    )


def test_seeds_are_averaged_query_by_query(tmp_path):
    hits = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    paths = [
        written(tmp_path / f"{seed}.parquet", **{"class": list("aab"), "r@1": values})
        for seed, values in enumerate(hits)
    ]
    found = outcomes_of(cell(*paths), "r@1")
    assert found.per_query == pytest.approx([1.0, 2 / 3, 0.0])
    assert found.units == ("a", "b")
    single = outcomes_of(cell(paths[0]), "r@1")
    assert single.per_query.tolist() == hits[0]
    rows = cell(*paths)
    rows.loc[2, "per_query_sha256"] = "0" * 64
    with pytest.raises(DamagedReportError, match=r"2\.parquet"):
        outcomes_of(rows, "r@1")


def test_seeds_of_different_queries_are_no_mean(tmp_path):
    paths = [
        written(tmp_path / f"{count}.parquet", **{"r@1": [1.0] * count, "class": ["a"] * count})
        for count in (3, 4)
    ]
    with pytest.raises(ResultsError, match=r"1 are of the second alone \(such as images/3.jpg\)"):
        outcomes_of(cell(*paths), "r@1")


@given(differing())
@settings(max_examples=50)
def test_a_difference_is_taken_query_by_query(outcomes):
    other = made(outcomes.per_query[::-1], outcomes.unit_of)
    found = difference(outcomes, other)
    assert found.per_query.tolist() == (outcomes.per_query - other.per_query).tolist()
    assert found.queries == outcomes.queries
    assert found.mean == pytest.approx(outcomes.mean - other.mean)
    assert not difference(outcomes, outcomes).per_query.any()
    both = mean_over([outcomes, other])
    assert both.per_query.tolist() == ((outcomes.per_query + other.per_query) / 2).tolist()


@given(differing())
@settings(max_examples=50)
def test_sums_and_sizes_are_those_of_each_unit(outcomes):
    for unit in range(len(outcomes.units)):
        own = [v for v, u in zip(outcomes.per_query, outcomes.unit_of, strict=True) if u == unit]
        assert outcomes.sums()[unit] == pytest.approx(sum(own))
        assert outcomes.sizes()[unit] == len(own)


def test_different_queries_are_named():
    long, short = made([0.0] * 5), made([0.0] * 3)
    with pytest.raises(ResultsError, match="compare cells of one dataset") as raised:
        difference(long, short)
    assert "2 are of the first alone (such as 3.jpg)" in str(raised.value)
    assert "second" not in str(raised.value)
    with pytest.raises(ResultsError, match=r"2 are of the second alone \(such as 3.jpg\)"):
        difference(short, long)


def with_(outcomes, **changes):
    return type(outcomes)(**{**vars(outcomes), **changes})


def test_other_queries_on_both_sides_and_another_order_are_said():
    one = made([0.0] * 3)
    other = with_(one, queries=("0.jpg", "1.jpg", "7.jpg"))
    with pytest.raises(ResultsError, match=r"2\.jpg\), 1 are of the second .*7\.jpg"):
        check_same_queries(one, other)
    with pytest.raises(ResultsError, match="in another order"):
        check_same_queries(one, with_(one, queries=one.queries[::-1]))


def test_queries_whose_class_was_changed_are_named():
    one, other = made([0.0] * 3, [0, 0, 1]), made([0.0] * 3, [0, 1, 1])
    with pytest.raises(ResultsError, match=r"1 queries .* 1\.jpg \(unit 0 / unit 1\)"):
        difference(one, other)
    renamed = with_(one, units=("unit 0", "unit 7"))
    with pytest.raises(ResultsError, match=r"1 queries .* 2\.jpg \(unit 1 / unit 7\)"):
        difference(one, renamed)
    check_same_queries(one, made([1.0] * 3, [0, 0, 1]))


def test_what_is_read_of_real_reports_is_the_reports_own_number(smoke):
    for row in load(smoke).to_dict("records"):
        for metric in row["headline"]:
            found = read_outcomes(Path(row["per_query"]), metric, row["per_query_sha256"])
            assert found.mean == pytest.approx(row[metric], abs=1e-12)
            landmarks = row["dataset"] in ("twin-roxford", "twin-rparis")
            assert found.unit == ("query" if landmarks else "class")
