"""Real photographs through real weights, against a whole evaluation written apart."""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torchvision.transforms.v2 import functional

from results.store import per_query_path, read_reports
from tests.photos_oracle import evaluate

BACKBONES = ("deit_ti", "tf_mobilenetv2")
NEAR = {"map": 1e-4}
BASELINE = Path(__file__).parent.parent / "results" / "baselines" / "photos.json"

expected_of = functools.cache(evaluate)


@pytest.fixture(scope="module")
def birds(shared, tmp_path_factory):
    """Every third class, for time."""
    folder = tmp_path_factory.mktemp("birds")
    for place in sorted((shared / "birds" / "images").iterdir())[::3]:
        (folder / place.name).symlink_to(place)
    return folder


@pytest.fixture
def reports(shared, bench):
    """Run both backbones, as they are and projected; reports by backbone and projection."""

    def call(folder):
        bench(
            *("run", "--matrix", f"dataset=folder:{folder}", "loss=none"),
            *(f"backbone={','.join(BACKBONES)}", f"weights=dir:{shared / 'weights'}"),
            *("dims=native,64", "resolution=224"),
        )
        found = {}
        for report in read_reports(bench.runs):
            table = pd.read_parquet(per_query_path(bench.runs, report["key"]))
            found[report["job"]["backbone"], report["job"]["projection"]] = (report, table)
        return found

    return call


def compared(reports, shared, folder):
    """Yield report, table and what the independent script says, of each backbone and size."""
    found = reports(folder)
    for backbone in BACKBONES:
        expected = expected_of(folder, shared / "weights", backbone)
        for kind, projection in (("native", "none"), ("pca64", "pca")):
            report, table = found[backbone, projection]
            assert report["counts"]["queries"] == expected["queries"]
            assert table["query"].tolist() == expected["paths"]
            first = [expected["paths"][index] for index in expected["top1"][kind]]
            yield report, table, expected[kind], expected["r1"][kind], first


def by_pillow(image, sides, interpolation):
    """What registry.transforms does with torchvision: a short side, or height and width."""
    picture = functional.to_pil_image(image)
    width, height = picture.size
    if len(sides) == 1:
        short = min(width, height)
        sides = [sides[0] * height // short, sides[0] * width // short]
    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    return functional.pil_to_tensor(picture.resize(sides[::-1], filters[interpolation]))


@pytest.mark.parametrize("photographs", ["groceries", "birds"])
def test_tables_equal_an_independent_script(
    shared, birds, reports, inline, monkeypatch, photographs
):
    """To the last digit where images are resized by Pillow, as the script does it."""
    monkeypatch.setattr("registry.transforms._resize", by_pillow)
    folder = birds if photographs == "birds" else shared / photographs
    for report, table, metrics, hits, first in compared(reports, shared, folder):
        for name, value in metrics.items():
            # deep in a ranking two images may be nearer than float32 features tell
            assert report["metrics"][name] == pytest.approx(value, abs=NEAR.get(name, 1e-9)), name
        assert set(report["metrics"]) == set(metrics)
        assert table["r@1"].astype(int).tolist() == hits
        assert [nearest[0] for nearest in table["nearest"]] == first
        if report["job"]["backbone"] == "deit_ti" and report["job"]["projection"] == "pca":
            card = report["protocol"]
            assert card["transform"] == "resize short side to size x 256/224, centre crop"
            assert card["projection_fit"] == "the evaluated images (transductive)"
        assert json.dumps(str(shared)) not in json.dumps(report["spec"])


def test_resizing_with_torchvision_moves_no_metric_by_half_a_point(shared, reports, bench):
    """And the project's own gate is green on real photographs."""
    for report, table, metrics, _, first in compared(reports, shared, shared / "groceries"):
        assert report["metrics"] == pytest.approx(metrics, abs=0.005)
        nearest = np.array([found[0] for found in table["nearest"]])
        assert np.mean(nearest == np.array(first)) >= 0.98
    bench("check", BASELINE, "--runs", bench.runs)
