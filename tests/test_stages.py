"""bench.stages: what each leaves, shared and exact."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.exact.grid import on_grid
from bench.execution.artifacts import Artifacts
from bench.identity import (
    Descriptors,
    Extraction,
    Features,
    Fit,
    Model,
    Scores,
    digest,
)
from bench.image_identity import image_identity
from bench.neighbours import nearest
from bench.pixels import Cache
from bench.progress import Silent
from bench.scoring import score
from bench.stages.compute import compute
from bench.stages.context import Context
from bench.stages.descriptors import load_descriptors, principal_components, unit
from bench.stages.features import load_features
from bench.stages.scores import read_metrics
from bench.stages.weights import load_embedder
from registry.datasets import dataset_row, source_row
from registry.datasets.folder import folder_dataset
from registry.errors import WorkError
from tests import oracles
from tests.conftest import write_photos

NAIVE = Model("tiny_conv", "scratch", 64, 0, None)


@pytest.fixture
def context(tmp_path, data):
    cache = Cache(tmp_path / "cache", 10**9)
    artifacts = Artifacts(tmp_path / "runs")
    artifacts.prepare()
    return Context(artifacts, data, torch.device("cpu"), Silent(), cache)


def extraction(folder, *, skip=False):
    name = f"folder:{folder}"
    images = digest(image_identity(source_row(name), None))
    return Extraction(NAIVE, name, images, 64, "evaluated", "short_center", None, skip)


def test_one_pass_yields_every_pooling(photos, context, monkeypatch):
    passes = []

    def counted(*arguments, **options):
        passes.append(1)
        return load_embedder(*arguments, **options)

    monkeypatch.setattr("bench.stages.features.load_embedder", counted)
    poolings = ["avg", "max", "gem"]
    for _ in range(2):
        compute(extraction(photos), poolings, context)
    found = {
        name: load_features(Features(extraction(photos), name), context).vectors
        for name in poolings
    }
    assert len(passes) == 1
    assert {vectors.shape for vectors in found.values()} == {(21, 96)}
    assert not np.array_equal(found["avg"], found["max"])


def test_bad_images_fail_the_extraction_or_are_counted(photos, context):
    (photos / "class0" / "1.jpg").write_bytes(b"")
    with pytest.raises(WorkError, match=r"class0/1\.jpg .*--skip-bad-images"):
        compute(extraction(photos), ["avg"], context)
    features = Features(extraction(photos, skip=True), "avg")
    compute(features.extraction, ["avg"], context)
    pooled = load_features(features, context)
    assert pooled.bad.tolist() == [1]
    assert pooled.good.shape == (20, 96)
    descriptors = Descriptors(features, None, 96)
    scores = Scores(descriptors, None, f"folder:{photos}")
    for stage in (descriptors, scores):
        compute(stage, [], context)
    counts = read_metrics(context.artifacts.open(scores)).counts
    assert (counts["bad_images"], counts["gallery"], counts["queries"]) == (1, 20, 19)


def test_a_folder_without_one_good_image_fails(photos, context):
    for path in photos.rglob("*.*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(WorkError, match="none of its 21 images can be read"):
        compute(extraction(photos, skip=True), ["avg"], context)


def test_features_that_are_no_numbers_fail(photos, context, monkeypatch):
    monkeypatch.setattr(
        "bench.model.Embedder.forward",
        lambda self, images: {"avg": torch.full((len(images), 96), float("nan"))},
    )
    with pytest.raises(WorkError, match="features that are no numbers"):
        compute(extraction(photos), ["avg"], context)


@given(st.integers(3, 30), st.integers(2, 12), st.integers(0, 999))
def test_pca_is_the_singular_value_decomposition(n, width, seed):
    vectors = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    mean, basis = principal_components(vectors)
    centred = vectors.astype(np.float64) - vectors.astype(np.float64).mean(axis=0)
    _, spread, directions = np.linalg.svd(centred, full_matrices=False)
    rank = min(n - 1, width)
    assert basis.shape == (width, rank)
    np.testing.assert_allclose(mean, vectors.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(basis.T @ basis, np.eye(rank), atol=1e-8)
    found = np.linalg.norm(centred @ basis, axis=0)
    np.testing.assert_allclose(found, spread[:rank], rtol=1e-6, atol=1e-9)
    assert (
        abs(np.abs(np.sum(basis[:, 0] * directions[0])) - 1) < 1e-4 or spread[0] < 1.01 * spread[1]
    )
    assert (basis[np.abs(basis).argmax(axis=0), np.arange(rank)] > 0).all()


def test_more_dims_than_the_fit_spans_is_an_error(photos, context):
    features = Features(extraction(photos), "avg")
    asked = Descriptors(features, Fit(features, "pca"), 64)
    compute(features.extraction, ["avg"], context)
    compute(Fit(features, "pca"), [], context)
    with pytest.raises(WorkError, match=r"those given span (20|1\d)"):
        compute(asked, [], context)


def test_descriptors_without_a_fit_are_the_first_numbers(photos, context, monkeypatch):
    monkeypatch.setattr("bench.stages.descriptors.ROWS_AT_ONCE", 8)
    (photos / "class0" / "1.jpg").write_bytes(b"")
    features = Features(extraction(photos, skip=True), "avg")
    compute(features.extraction, ["avg"], context)
    pooled = load_features(features, context).vectors.astype(np.float64)
    for dims in (1, 5, 96):
        asked = Descriptors(features, None, dims)
        compute(asked, [], context)
        found = load_descriptors(asked, context)
        assert found.shape == (21, dims)
        np.testing.assert_array_equal(found, on_grid(found))
        norms = np.linalg.norm(pooled[:, :dims], axis=1, keepdims=True)
        norms[1] = 1  # the image that cannot be read
        np.testing.assert_allclose(found, pooled[:, :dims] / norms, atol=2**-26)


def test_descriptors_have_norm_one_and_zero_stays_zero():
    vectors = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 0]])
    assert vectors.dtype == np.float32


def test_recall_equals_argsort_on_random_descriptors(photos):
    row = folder_dataset(f"folder:{photos}")
    split = row.read(photos)
    vectors = unit(np.random.default_rng(0).normal(size=(21, 8)))
    scored = score(row, split, [vectors])
    table, counts = scored.table, scored.counts
    assert counts == {"queries": 20, "lone_images": 1, "tied_queries": 0}
    labels = split.evaluated.labels
    for _, line in table.iterrows():
        query = int(line["query_position"])
        order = [i for i in np.argsort(-(vectors @ vectors[query])) if i != query]
        relevance = [bool(labels[i] == labels[query]) for i in order]
        for k in row.ks:
            assert line[f"r@{k}"] == oracles.hit_at_k(relevance, k)
        assert line["map@r"] == pytest.approx(oracles.map_at_r_term(relevance))
        assert line["nearest"][0] == order[0]


def test_no_query_at_all_is_an_error(tmp_path):
    root = write_photos(tmp_path / "singles", classes=3, images=1)
    row = folder_dataset(f"folder:{root}")
    with pytest.raises(WorkError, match="no class has two images"):
        score(row, row.read(root), [np.eye(4, dtype=np.float32)])


def test_neighbours_leave_out_what_is_excluded():
    vectors = unit(np.random.default_rng(0).normal(size=(30, 6)))
    hidden = [np.array([i, (i + 1) % 30]) for i in range(30)]
    found, values = nearest(vectors, [vectors], hidden, 5)
    for query, (row, similarity) in enumerate(zip(found, values, strict=True)):
        scores = vectors @ vectors[query]
        scores[hidden[query]] = -2
        assert row.tolist() == np.argsort(-scores)[:5].tolist()
        np.testing.assert_allclose(similarity, np.sort(scores)[::-1][:5], rtol=1e-5)


def test_neighbours_of_a_small_gallery_are_padded():
    vectors = np.eye(3, dtype=np.float32)
    found, values = nearest(vectors, [vectors], [np.array([i]) for i in range(3)], 5)
    assert (found[:, 2:] == -1).all()
    assert np.isnan(values[:, 2:]).all()


def test_per_query_outcomes_average_to_the_metrics(smoke):
    for folder in (smoke / "artifacts" / "scores").iterdir():
        metrics = read_metrics(folder).metrics
        table = pd.read_parquet(folder / "per_query.parquet")
        for name, value in metrics.items():
            assert table[name].mean() == pytest.approx(value)


@pytest.mark.parametrize("name", ["twin-sop", "twin-cub", "twin-inshop"])
def test_twins_are_learnable_but_not_trivial(name, data, smoke):
    """Raw pixels are clearly below a trained tiny network, and nothing is at 0 or 100 %."""
    import results
    from bench.images import ImageSource, batches
    from registry.transforms import TRANSFORMS, Target

    row = dataset_row(name)
    split = row.read(row.prepare(data))
    source = ImageSource(split.evaluated, TRANSFORMS[row.transform], Target(64, "bicubic"))
    pixels = np.concatenate([b.pixels for b in batches(source, size=64, skip_bad=False)]).reshape(
        len(split.evaluated), -1
    )
    table = score(row, split, [unit(pixels - pixels.mean(axis=0))]).table
    frame = results.load(smoke)
    mine = frame[(frame["dataset"] == name) & (frame["backbone"] == "tiny_conv")]
    assert 0.02 < table["r@1"].mean() < 0.6 * mine["r@1"].max()
    assert (mine["r@1"] < 0.98).all()
