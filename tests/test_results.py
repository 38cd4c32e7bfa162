"""results: the reports of a run folder as one frame, and those that cannot be read."""

import json
import math
from pathlib import Path

import pytest

import results
from results.seal import file_checksum
from results.store import (
    SCHEMA,
    DamagedReportError,
    ResultsError,
    per_query_path,
    read_reports,
    report_path,
)
from tests.reports import cell


def test_a_frame_has_a_row_per_report_and_where_its_queries_are(tmp_path):
    cell(tmp_path, "k", {"r@1": [1.0, 0.0, 1.0], "map@r": [0.5, 0.0, 0.25]}, job__dims=8)
    cell(tmp_path, "kk", [1.0, 1.0, 1.0])
    loaded = results.load(tmp_path).set_index("key")
    assert loaded["r@1"].tolist() == [pytest.approx(2 / 3), 1.0]
    assert loaded["map@r"].tolist() == [0.25, pytest.approx(math.nan, nan_ok=True)]
    assert loaded.loc[
        "k", ["dims", "dataset_title", "protocol.ties", "counts.queries"]
    ].tolist() == [
        8,
        "SOP",
        "expected",
        10,
    ]
    for key, row in loaded.iterrows():
        path = Path(row["per_query"])
        assert path == per_query_path(tmp_path, key)
        assert file_checksum(path) == row["per_query_sha256"]
    assert results.load(str(tmp_path), keys=["kk"])["key"].tolist() == ["kk"]


def test_no_reports_are_an_empty_frame_and_no_folder_an_error(tmp_path):
    assert results.load(tmp_path).empty
    with pytest.raises(ResultsError, match="there is no run folder"):
        results.load(tmp_path / "nowhere")


def test_the_smoke_runs_frame_is_tidy(smoke):
    loaded = results.load(smoke)
    assert len(loaded) == 20
    assert set(loaded["backbone"]) == {"tiny_vit", "tiny_conv"}
    assert loaded["r@1"].dropna().between(0, 1).all()
    assert (loaded["dims"] == loaded["dims_measured"]).all()
    assert (loaded["bytes_per_image"] == 4 * loaded["dims"]).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:100], "cannot read the report"),
        (lambda text: text.replace(f'"schema": {SCHEMA}', '"schema": 99'), "has schema 99, this"),
        (lambda text: text.replace('"schema"', '"scheme"'), "has schema None, this version reads"),
        (lambda text: f"[{text}]", "has schema None, this version reads"),
        (lambda text: text.replace('"r@1": 0.5', '"r@1": 0.9'), r"k\.json was changed after"),
        (lambda text: text.replace('"dims": 384', '"dims": 128'), "its checksum is wrong"),
    ],
)
def test_a_damaged_report_is_named(tmp_path, damage, message):
    cell(tmp_path)
    path = report_path(tmp_path, "k")
    text = path.read_text()
    assert damage(text) != text
    path.write_text(damage(text))
    with pytest.raises(DamagedReportError, match=message) as error:
        results.load(tmp_path)
    assert str(path) in str(error.value)
    assert "run its matrix again" in str(error.value) or "run their matrix" in str(error.value)


def test_the_layout_of_a_report_is_not_its_content(tmp_path):
    """A report may be pretty-printed, or its entries sorted: numbers are as they were."""
    cell(tmp_path)
    path = report_path(tmp_path, "k")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2, sort_keys=True))
    assert results.load(tmp_path)["r@1"].tolist() == [0.5]


def test_reports_say_everything(smoke):
    one = next(read_reports(smoke))
    assert set(one["spec"]) >= {"model", "extraction", "features", "descriptors", "scores"}
    assert one["protocol"]["self_match"]
    assert all(isinstance(text, str) and text for text in one["protocol"].values())
    assert one["signature"].startswith("data:")
    recall = [name for name in one["metrics"] if name.startswith("r@")]
    assert set(one["bounds"]) == set(recall)
    assert one["environment"]["torch"]
    assert "twin" in one["marks"]
    assert json.dumps(one["spec"]).count(str(smoke)) == 0
