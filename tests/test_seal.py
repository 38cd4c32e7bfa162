"""results.seal: whatever is changed is seen, and nothing else."""

import copy
import hashlib
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.seal import CHECKSUM, PER_QUERY, content_checksum, file_checksum, is_intact, sealed
from results.store import DamagedReportError, read_reports, report_path
from tests.reports import report

TEXT = st.text(max_size=3)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = LEAVES | st.lists(LEAVES, max_size=2) | st.dictionaries(TEXT, LEAVES, max_size=2)
REPORTS = st.dictionaries(TEXT, VALUES, max_size=3)


def places_in(value, so_far=()):
    """Every leaf of nested values, as the names that lead to it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in inside:
        if isinstance(inner, dict | list) and inner:
            yield from places_in(inner, (*so_far, name))
        else:
            yield (*so_far, name)


def put(value, place, new):
    """The same nested values with another one in a place."""
    changed = inner = copy.deepcopy(value)
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = new
    return changed


@pytest.fixture
def one(tmp_path):
    """A sealed report as a file would give it back."""
    path = tmp_path / "k.parquet"
    path.write_bytes(b"outcomes")
    return json.loads(json.dumps(sealed(report(bounds={"r@1": [0.5, 0.53]}), path)))


def test_a_sealed_report_is_intact_and_says_what_is_beside_it(one):
    assert is_intact(one)
    assert one[PER_QUERY] == hashlib.sha256(b"outcomes").hexdigest()
    assert {name: one[name] for name in ("key", "metrics")} == {
        name: report()[name] for name in ("key", "metrics")
    }


def test_every_value_is_guarded(one):
    places = list(places_in(one))
    assert ("bounds", "r@1", 1) in places
    for place in places:
        assert not is_intact(put(one, place, "other")), place


@pytest.mark.parametrize("change", [math.nextafter, lambda value, _: -value])
def test_the_least_change_of_a_number_is_seen(one, change):
    value = one["metrics"]["r@1"]
    assert not is_intact(put(one, ("metrics", "r@1"), change(value, 1)))


def test_what_is_added_or_taken_away_is_seen(one):
    assert not is_intact({**one, "more": 1})
    assert not is_intact(put(one, ("job", "more"), None))
    for name in one:
        assert not is_intact({key: value for key, value in one.items() if key != name}), name


def test_the_checksum_itself_is_guarded(one):
    assert not is_intact({**one, CHECKSUM: None})
    assert not is_intact({**one, CHECKSUM: one[CHECKSUM].upper()})


@given(REPORTS)
@settings(max_examples=50)
def test_writing_and_reading_changes_nothing(values):
    wanted = content_checksum(values)
    for layout in ({"indent": 2}, {"separators": (" ,", ": ")}, {"ensure_ascii": False}):
        assert content_checksum(json.loads(json.dumps(values, **layout))) == wanted
    backwards = dict(reversed(values.items()))
    assert content_checksum(backwards) == wanted
    assert is_intact({CHECKSUM: wanted, **values})


@given(REPORTS, REPORTS)
@settings(max_examples=50)
def test_two_reports_share_a_checksum_only_if_they_say_the_same(a, b):
    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert (content_checksum(a) == content_checksum(b)) == same


@pytest.mark.parametrize("size", [0, 1, 6, 7, 8, 14, 15, 64])
def test_a_file_is_read_block_by_block(tmp_path, monkeypatch, size):
    content = bytes(range(size))
    path = tmp_path / "content"
    path.write_bytes(content)
    monkeypatch.setattr("results.seal.BLOCK", 7)
    assert file_checksum(path) == hashlib.sha256(content).hexdigest()


def test_an_edited_report_is_refused_and_named(tmp_path, one):
    path = report_path(tmp_path, "k")
    path.parent.mkdir()
    path.write_text(json.dumps(one, indent=4))
    assert [found["key"] for found in read_reports(tmp_path)] == ["k"]
    path.write_text(json.dumps(put(one, ("metrics", "r@1"), 0.99)))
    with pytest.raises(DamagedReportError, match="changed after it was written") as raised:
        list(read_reports(tmp_path))
    assert str(path) in str(raised.value)
