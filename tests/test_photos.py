"""Real photographs through real weights, against a whole evaluation written apart."""

import json

import pandas as pd
import pytest

from results.store import per_query_path, read_reports
from tests.photos_oracle import evaluate


@pytest.mark.parametrize("photographs", ["groceries", "birds/images"])
def test_tables_equal_an_independent_script(shared, bench, photographs):
    folder, weights = shared / photographs, shared / "weights"
    bench(
        *("run", "--matrix", f"dataset=folder:{folder}", "backbone=deit_ti,tf_mobilenetv2"),
        *("loss=none", f"weights=dir:{weights}", "dims=native,64", "resolution=224"),
    )
    reports = {
        (report["job"]["backbone"], report["job"]["projection"]): report
        for report in read_reports(bench.runs)
    }
    for backbone in ("deit_ti", "tf_mobilenetv2"):
        expected = evaluate(folder, weights, backbone)
        for kind, projection in (("native", "none"), ("pca64", "pca")):
            report = reports[backbone, projection]
            assert report["metrics"] == pytest.approx(expected[kind], abs=1e-9)
            assert report["counts"]["queries"] == expected["queries"]
            table = pd.read_parquet(per_query_path(bench.runs, report["key"]))
            assert table["query"].tolist() == expected["paths"]
            assert table["r@1"].astype(int).tolist() == expected["r1"][kind]
            first = [expected["paths"][index] for index in expected["top1"][kind]]
            assert [nearest[0] for nearest in table["nearest"]] == first
    card = reports["deit_ti", "pca"]["protocol"]
    assert card["transform"] == "resize short side to size x 256/224, centre crop"
    assert card["projection_fit"] == "the evaluated images (transductive)"
    assert json.dumps(str(shared)) not in json.dumps(report["spec"])
