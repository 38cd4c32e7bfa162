"""bench.report: what a finished job writes, from a run with all that a training may vary."""

import json

import numpy as np
import pytest

from bench.execution.artifacts import Artifacts
from bench.matrix import read_matrix
from bench.plan import make_plan, summary
from bench.report import trained_as
from bench.stages.descriptors import DESCRIPTORS
from bench.stages.features import VECTORS
from results.store import report_path

WORDS = (
    "dataset=twin-cub",
    "backbone=tiny_vit",
    "loss=contrastive(beta=0.3)+koleo(lambda=0.1)",
    "recipe=smoke",
    "recipe.steps=4",
    "recipe.warmup_steps=1",
    "recipe.memory_start=1",
    "recipe.validate_every=2",
    "select=test",
    "resolution=32",
    "test_resolution=same,64",
    "projection=matryoshka",
    "dims=8,16,native",
)


def selected(**changes):
    return {"by": "last", "step": None, "value": None, "last": None, "curve": [], **changes}


def test_a_network_that_is_not_trained_says_nothing_of_a_checkpoint():
    assert trained_as({}) == {}


def test_the_last_checkpoint_has_no_recall():
    log = {"losses": [1.0, 2.0, 3.0], "selected": selected()}
    assert trained_as(log) == {"steps": 3, "selected_by": "last"}


@pytest.mark.parametrize(
    ("by", "name"), [("validation", "validation_r@1"), ("test", "selected_r@1")]
)
def test_a_selected_checkpoint_has_the_recall_it_was_selected_by(by, name):
    curve = [[1, 0.5], [2, 0.7], [3, 0.6]]
    log = {
        "losses": [1.0, 2.0, 3.0],
        "selected": selected(by=by, step=2, value=0.7, last=0.6, curve=curve),
    }
    assert trained_as(log) == {
        "steps": 3,
        "selected_by": by,
        "selected_step": 2,
        name: 0.7,
        "last_r@1": 0.6,
    }


@pytest.fixture
def run(bench, inline):
    """One training, selected on the test images, that serves three sizes at two resolutions."""
    plan = make_plan(read_matrix(WORDS, preset=None, exclude=[]), skip_bad_images=False)
    assert summary(plan) == "6 cells = 1 training + 2 extractions + 6 scorings"
    bench("run", "--quiet", *WORDS)
    reports = [json.loads(report_path(bench.runs, cell.key).read_text()) for cell in plan.cells]
    return bench, plan, reports


def test_a_run_with_all_that_a_training_may_vary(run):
    bench, plan, reports = run
    for one, cell in zip(reports, plan.cells, strict=True):
        assert one["job"]["recipe"].endswith("selection=test,validate_every=2)")
        assert one["training"]["selected_by"] == "test"
        assert one["training"]["steps"] == 4
        assert one["training"]["selected_step"] in (2, 4)
        assert one["training"]["selected_r@1"] >= one["training"]["last_r@1"]
        assert "test-selected" in one["marks"]
        assert one["spec"]["model"]["training"]["recipe"]["selection"] == "test"
        assert "koleo" in one["spec"]["model"]["training"]["loss"][1]
        assert one["cost"]["dims_measured"] == cell.job.dims == one["job"]["dims"]
        assert one["cost"]["bytes_per_image"] == 4 * cell.job.dims
        assert "contrastive" in one["protocol"]["loss"]
    _what_was_selected_on_is_what_is_measured(reports)
    _costs_are_of_the_evaluated_size(reports)
    _descriptors_are_cut(plan, bench.runs)
    shown = bench("report", "--format", "markdown", "--rows", "dims,test_resolution").output
    assert "‡ R@1 at the chosen step over that at the last, the honest one, in points, as" in shown
    assert "R@1 |" in shown


def _what_was_selected_on_is_what_is_measured(reports):
    (whole,) = [
        one for one in reports if one["job"]["dims"] == 64 and one["job"]["test_resolution"] is None
    ]
    assert whole["metrics"]["r@1"] == pytest.approx(whole["training"]["selected_r@1"], abs=1e-6)


def _costs_are_of_the_evaluated_size(reports):
    gmacs = {one["job"]["test_resolution"]: one["cost"]["gmacs"] for one in reports}
    parameters = {one["cost"]["parameters"] for one in reports}
    assert set(gmacs) == {None, 64}
    assert gmacs[64] > 3.5 * gmacs[None]
    assert len(parameters) == 2  # position embeddings


def _descriptors_are_cut(plan, runs):
    artifacts = Artifacts(runs)
    for cell in plan.cells:
        asked = cell.scores.descriptors
        pooled = np.load(artifacts.path(asked.features) / VECTORS).astype(np.float64)
        cut = pooled[:, : cell.job.dims]
        unit = cut / np.linalg.norm(cut, axis=1, keepdims=True)
        np.testing.assert_allclose(np.load(artifacts.path(asked) / DESCRIPTORS), unit, atol=2**-26)
