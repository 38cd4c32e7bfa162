"""bench delta: from a finished report to the table, and everything that can be in its way."""

import csv
import json
import re
import shlex
import shutil

import numpy as np
import pytest

from bench.delta import command, splits
from bench.delta.conventions import CONVENTIONS
from bench.delta.inputs import fitted_on_evaluated
from bench.delta.stored import stored
from bench.find import MOST_SHOWN
from bench.job import resolve
from results.store import read_reports
from tests.run_folders import change_json

QUICK = ["backbone=tiny_conv", "weights=scratch", "loss=none", "resolution=32"]


@pytest.fixture(scope="session")
def reports(smoke):
    """The smoke run's reports by dataset, backbone and dims."""
    return {
        (report["job"]["dataset"], report["job"]["backbone"], report["job"]["dims"]): report
        for report in read_reports(smoke)
    }


@pytest.fixture
def own_runs(smoke, tmp_path):
    """A copy of the smoke run that may be changed."""
    return shutil.copytree(smoke, tmp_path / "runs", ignore=shutil.ignore_patterns("cache"))


@pytest.fixture
def delta(bench, data):
    """Call bench delta with a run folder."""

    def call(key, runs, *options, exit_code=0):
        places = ["--runs", runs, "--data", data]
        return bench("delta", key, *places, *options, exit_code=exit_code)

    return call


@pytest.fixture
def rows(delta):
    """Each convention's unrounded numbers, and the notes."""

    def call(key, runs):
        lines = delta(key, runs, "--format", "csv").output.splitlines()
        notes = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
        table = csv.DictReader(line for line in lines if not line.startswith("# "))
        return {row["convention"]: row for row in table}, notes

    return call


def only_report(runs):
    (report,) = read_reports(runs)
    return report


def said_command(text):
    """The bench run line of a message or note, without its first word."""
    return shlex.split(re.search(r"bench (run .*)", text.replace("\n", " "))[1])


def copy(report, other):
    """Have the same report under another key."""
    other.write_text(report.read_text().replace(report.stem, other.stem))
    change_json(other)


def column(metric):
    if metric.startswith("r@"):
        return metric.upper()
    name, _, setup = metric.partition("_")
    named = {"map@r": "MAP@R", "map": "mAP", "mp@10": "mP@10"}[name]
    return f"{named} {setup[:1].upper()}" if setup else named


@pytest.mark.parametrize("dataset", ["twin-sop", "twin-cub", "twin-inshop", "twin-roxford"])
def test_ours_is_the_reports_own_number(rows, smoke, reports, dataset):
    for dims in (16, 96):
        report = reports[dataset, "tiny_conv", dims]
        found, notes = rows(report["key"], smoke)
        shared = [name for name in report["metrics"] if column_there(found["ours"], name)]
        assert len(shared) >= 5
        for name in shared:
            value = float(found["ours"][column(name)])
            assert value == pytest.approx(100 * report["metrics"][name], abs=1e-4)
        assert not any("disagree" in note for note in notes)
        assert any(note.startswith("twin") for note in notes)


def column_there(row, metric):
    return metric.startswith(("r@", "map", "mp@10")) and column(metric) in row


def test_rows_are_those_that_apply(rows, smoke, reports):
    sop, _ = rows(reports["twin-sop", "tiny_conv", 16]["key"], smoke)
    inshop, _ = rows(reports["twin-inshop", "tiny_conv", 16]["key"], smoke)
    roxford, _ = rows(reports["twin-roxford", "tiny_conv", 96]["key"], smoke)
    assert {"drop rank 0", "half as queries", "PCA on the test set", "train in the gallery"} <= set(
        sop
    )
    assert {"drop rank 0", "R + 1", "half as queries", "uncropped queries"} & set(inshop) == set()
    assert {"uncropped queries", "junk as negatives", "textbook P@k"} <= set(roxford)
    assert {"cropped queries", "PCA on the test set", "R + 1"} & set(roxford) == set()
    assert set(sop) | set(inshop) | set(roxford) <= {*CONVENTIONS, "spread"}


def test_the_spread_is_largest_minus_smallest(rows, smoke, reports):
    found, _ = rows(reports["twin-sop", "tiny_conv", 16]["key"], smoke)
    spread = found.pop("spread")
    for name in ("R@1", "R@10", "MAP@R", "mAP"):
        values = [float(row[name]) for row in found.values() if row[name]]
        assert float(spread[name]) == pytest.approx(max(values) - min(values))
        assert float(spread[name]) > 0


def test_a_key_may_be_shortened_while_it_means_one_report(delta, smoke, reports):
    key = reports["twin-sop", "tiny_vit", 16]["key"]
    keys = [report["key"] for report in reports.values()]
    short = next(key[:n] for n in range(1, 17) if sum(k.startswith(key[:n]) for k in keys) == 1)
    assert key in delta(short, smoke).output


def test_an_ambiguous_beginning_lists_what_it_can_be(delta, own_runs):
    first = sorted((own_runs / "reports").glob("*.json"))[0]
    twin = first.with_name(first.stem[:8] + "00000000.json")
    copy(first, twin)
    said = delta(first.stem[:8], own_runs, exit_code=2).output
    assert "begins the keys of 2 reports" in said
    assert first.stem in said
    assert twin.stem in said


def test_an_unknown_key_is_answered_with_near_and_known_ones(delta, smoke, reports):
    key = reports["twin-cub", "tiny_vit", 16]["key"]
    said = delta(key[:-1] + "!", smoke, exit_code=2).output
    assert f"did you mean {key}" in said
    assert re.search(rf"{key}  twin-cub tiny_vit .*pca:16", said)
    assert said.count("\n  ") == MOST_SHOWN == len(reports)
    part = delta("twin-cub", smoke, exit_code=2).output
    assert part.count("twin-cub tiny") == 4
    assert "twin-sop" not in part
    assert "known are" in delta("", smoke, exit_code=2).output


def test_more_reports_than_can_be_shown_are_counted(delta, own_runs):
    first = next((own_runs / "reports").glob("*.json"))
    for number in range(3):
        other = first.with_name(f"{number:016}.json")
        copy(first, other)
    assert "and 3 more" in delta("no such", own_runs, exit_code=2).output


def test_without_reports_it_says_how_to_make_some(delta, tmp_path):
    assert "no finished cells" in delta("abc", tmp_path / "none", exit_code=2).output


def test_a_damaged_report_is_named(delta, own_runs):
    path = next((own_runs / "reports").glob("*.json"))
    path.write_text("{")
    assert str(path) in delta(path.stem, own_runs, exit_code=1).output.replace("\n", "")


def test_vanished_descriptors_come_back_with_the_command_that_is_named(
    bench, delta, own_runs, reports
):
    key = reports["twin-cub", "tiny_conv", 96]["key"]
    before = delta(key, own_runs).output
    shutil.rmtree(own_runs / "artifacts" / "descriptors")
    said = delta(key, own_runs, exit_code=1).output
    assert "descriptors of twin-cub tiny_conv" in said
    words = said_command(said)
    assert "--force" in words
    bench(*words, "--quiet")
    assert key in delta(key, own_runs).output
    assert delta(key, own_runs).output.splitlines()[:5] == before.splitlines()[:5]


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_a_damaged_artifact_is_named(delta, own_runs, reports, data, content):
    report = reports["twin-cub", "tiny_conv", 96]
    found = stored(report, own_runs, data)
    path = found.artifacts.path(found.scores.descriptors) / "descriptors.npy"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    said = delta(report["key"], own_runs, exit_code=1).output
    assert "cannot read" in said
    assert "--force" in said


def test_descriptors_of_other_images_are_refused(delta, own_runs, reports, data):
    report = reports["twin-cub", "tiny_conv", 96]
    found = stored(report, own_runs, data)
    path = found.artifacts.path(found.scores.descriptors) / "descriptors.npy"
    np.save(path, np.load(path)[:-1])
    said = delta(report["key"], own_runs, exit_code=1).output
    assert "239 descriptors for 240 images" in said


def test_a_report_whose_inputs_changed_is_refused(delta, own_runs, reports):
    key = reports["twin-cub", "tiny_conv", 96]["key"]
    path = own_runs / "reports" / f"{key}.json"
    change_json(path, job={**json.loads(path.read_text())["job"], "seed": 1})
    said = delta(key, own_runs, exit_code=1).output
    assert "have changed" in said
    assert "--data" in said
    assert "seed=1" in said_command(said)


def test_the_command_of_a_job_means_the_same_job(own_runs, reports, data):
    for report in reports.values():
        found = stored(report, own_runs, data)
        words = shlex.split(found.run_line(found.job))[2:]
        axes = dict(word.split("=", 1) for word in words if "=" in word)
        assert resolve(axes) == found.job


def test_uncropped_queries_appear_once_they_are_made(bench, rows, own_runs, reports):
    report = reports["twin-roxford", "tiny_conv", 16]
    found, notes = rows(report["key"], own_runs)
    assert found["uncropped queries"]["mAP M"] == ""
    (note,) = [note for note in notes if note.startswith("-- uncropped")]
    bench(*said_command(note), "--quiet")
    (made,) = [r for r in read_reports(own_runs) if r["job"]["crop"] == "none"]
    found, notes = rows(report["key"], own_runs)
    assert not any(note.startswith("-- ") for note in notes)
    for name in ("map_easy", "map_medium", "map_hard", "mp@10_hard"):
        value = float(found["uncropped queries"][column(name)])
        assert value == pytest.approx(100 * made["metrics"][name], abs=1e-4)
    assert made["metrics"]["map_medium"] != report["metrics"]["map_medium"]
    backwards, _ = rows(made["key"], own_runs)
    assert backwards["cropped queries"]["mAP M"] == found["ours"]["mAP M"]
    assert "uncropped queries" not in backwards


def test_pca_on_the_test_set_is_fitted_there(rows, smoke, reports, data):
    report = reports["twin-cub", "tiny_conv", 16]
    found, _ = rows(report["key"], smoke)
    store = stored(report, smoke, data)
    folder = store.artifacts.path(store.scores.descriptors.features)
    features = np.load(folder / "vectors.npy").astype(np.float64)
    centred = features - features.mean(axis=0)
    projected = centred @ np.linalg.svd(centred, full_matrices=False)[2][:16].T
    vectors = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    values = vectors @ vectors.T
    np.fill_diagonal(values, -2)
    labels = store.split.evaluated.labels
    r_at_1 = np.mean(labels[values.argmax(axis=1)] == labels)
    assert float(found["PCA on the test set"]["R@1"]) == pytest.approx(100 * r_at_1)
    elsewhere = pytest.approx(100 * report["metrics"]["map@r"], abs=1e-3)
    assert float(found["PCA on the test set"]["MAP@R"]) != elsewhere


def test_without_features_the_pca_cannot_be_shown(rows, own_runs, reports):
    shutil.rmtree(own_runs / "artifacts" / "features")
    found, notes = rows(reports["twin-cub", "tiny_conv", 16]["key"], own_runs)
    assert found["PCA on the test set"]["R@1"] == ""
    assert found["ours"]["R@1"]
    (note,) = [note for note in notes if note.startswith("-- PCA")]
    assert "--force" in said_command(note)


def test_half_of_a_class_asks_the_other(rows, smoke, reports, data):
    report = reports["twin-cub", "tiny_conv", 96]
    found, _ = rows(report["key"], smoke)
    store = stored(report, smoke, data)
    vectors = np.load(store.artifacts.path(store.scores.descriptors) / "descriptors.npy")
    labels = store.split.evaluated.labels.tolist()
    asks = [labels[:i].count(label) % 2 == 0 for i, label in enumerate(labels)]
    asking = [i for i, flag in enumerate(asks) if flag]
    asked = [i for i, flag in enumerate(asks) if not flag]
    nearest = (vectors[asking].astype(np.float64) @ vectors[asked].T).argmax(axis=1)
    hits = [labels[asked[n]] == labels[q] for n, q in zip(nearest, asking, strict=True)]
    assert float(found["half as queries"]["R@1"]) == pytest.approx(100 * np.mean(hits))


@pytest.fixture
def half_trained(bench, photos):
    """Photos whose first three classes are for training, described by an untrained network."""

    def run(*words):
        dataset = f"dataset=folder:{photos}@split=classes"
        bench("run", dataset, *QUICK, *words, "--quiet")
        return only_report(bench.runs)

    return run


def test_training_images_join_the_gallery(half_trained, bench, rows, data):
    report = half_trained("projection=pca", "dims=8", "train=own")
    found, notes = rows(report["key"], bench.runs)
    assert not any(note.startswith(("-- ", "twin")) for note in notes)
    store = stored(report, bench.runs, data)
    split = store.split
    fit = store.artifacts.path(store.scores.descriptors.fit)
    features = [
        np.load(store.artifacts.path(part) / "vectors.npy").astype(np.float64)
        for part in (store.scores.descriptors.features, store.scores.descriptors.fit.features)
    ]
    projected = (np.concatenate(features) - np.load(fit / "mean.npy")) @ np.load(fit / "basis.npy")
    projected = projected[:, :8]
    vectors = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    values = vectors @ vectors.T
    np.fill_diagonal(values, -2)
    names = [split.evaluated.classes[label] for label in split.evaluated.labels]
    names += [split.train.classes[label] for label in split.train.labels]
    asking = [i for i in range(len(split.evaluated)) if names.count(names[i]) > 1]
    hits = [names[values[query].argmax()] == names[query] for query in asking]
    assert float(found["train in the gallery"]["R@1"]) == pytest.approx(100 * np.mean(hits))


def test_training_images_without_features_name_the_command(half_trained, bench, rows):
    report = half_trained()
    found, notes = rows(report["key"], bench.runs)
    assert found["train in the gallery"]["R@1"] == ""
    (note,) = [note for note in notes if note.startswith("-- train")]
    bench(*said_command(note), "--quiet")
    found, notes = rows(report["key"], bench.runs)
    assert found["train in the gallery"]["R@1"]
    assert not any(note.startswith("-- ") for note in notes)


def test_a_projection_fitted_on_something_else_names_the_command_of_its_own(
    half_trained, bench, rows
):
    report = half_trained("projection=pca", "dims=8", "train=twins")
    _, notes = rows(report["key"], bench.runs)
    (note,) = [note for note in notes if note.startswith("-- train")]
    assert {"train=own", "projection=pca", "dims=8"} <= set(said_command(note))


def test_unreadable_images_do_not_move_the_pca(half_trained, bench, photos, data):
    """A row of zeros among eight features would."""
    (photos / "class3" / "2.jpg").write_bytes(b"no image")
    report = half_trained("projection=pca", "dims=2", "train=own", "--skip-bad-images")
    assert report["counts"]["bad_images"] == 1
    store = stored(report, bench.runs, data)
    folder = store.artifacts.path(store.scores.descriptors.features)
    features = np.load(folder / "vectors.npy").astype(np.float64)
    readable = np.flatnonzero(features.any(axis=1))
    assert len(readable) == len(features) - 1
    centred = features[readable] - features[readable].mean(axis=0)
    projected = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    wanted = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    found = fitted_on_evaluated(store).vectors.take(readable)
    np.testing.assert_allclose(found @ found.T, wanted @ wanted.T, atol=1e-4)


def test_a_network_trained_on_something_else_has_no_such_command(rows, smoke, reports):
    _, notes = rows(reports["twin-sop", "tiny_conv", 96]["key"], smoke)
    (note,) = [note for note in notes if note.startswith("-- train")]
    assert "bench run" not in note
    assert splits.ONLY_PCA in note


def test_a_transductive_report_says_so_and_has_no_other_pca(bench, photos, rows):
    bench("run", f"dataset=folder:{photos}", *QUICK, "dims=8", "--quiet")
    found, notes = rows(only_report(bench.runs)["key"], bench.runs)
    assert "PCA on the test set" not in found
    assert any("transductive" in note and note.startswith("ours") for note in notes)
    assert "train in the gallery" not in found


def test_lone_images_count_only_where_they_are_counted(bench, photos, rows):
    """Twenty images in five classes, and one alone."""
    bench("run", f"dataset=folder:{photos}", *QUICK, "--quiet")
    found, notes = rows(only_report(bench.runs)["key"], bench.runs)
    ours = float(found["ours"]["R@1"])
    assert float(found["empty queries as 0"]["R@1"]) == pytest.approx(ours * 20 / 21)
    assert float(found["empty queries as 1"]["R@1"]) == pytest.approx((ours * 20 + 100) / 21)
    assert not any(note.startswith("twin") for note in notes)


def test_images_left_out_of_the_report_are_left_out_here(bench, photos, rows, delta):
    (photos / "class0" / "1.jpg").write_bytes(b"no image")
    bench("run", f"dataset=folder:{photos}", *QUICK, "--skip-bad-images", "--quiet")
    report = only_report(bench.runs)
    assert report["counts"]["bad_images"] == 1
    found, notes = rows(report["key"], bench.runs)
    assert float(found["ours"]["R@1"]) == pytest.approx(100 * report["metrics"]["r@1"])
    assert not any("disagree" in note for note in notes)
    shutil.rmtree(bench.runs / "artifacts" / "features")
    said = delta(report["key"], bench.runs, exit_code=1).output
    assert "--skip-bad-images" in said_command(said)


def test_distractors_are_in_the_gallery(bench, rows, data, tmp_path):
    bench("data", "twin", "r1m", "--out", tmp_path / "many")
    bench("run", f"dataset=twin-roxford+twin:{tmp_path / 'many'}", *QUICK, "--quiet")
    report = only_report(bench.runs)
    found, notes = rows(report["key"], bench.runs)
    for name in ("map_easy", "map_medium", "map_hard"):
        value = float(found["ours"][column(name)])
        assert value == pytest.approx(100 * report["metrics"][name], abs=1e-4)
    assert not any("disagree" in note for note in notes)


def test_a_disagreement_with_the_report_is_said(rows, own_runs, reports):
    key = reports["twin-cub", "tiny_conv", 96]["key"]
    path = own_runs / "reports" / f"{key}.json"
    metrics = json.loads(path.read_text())["metrics"]
    change_json(path, metrics={**metrics, "map@r": metrics["map@r"] + 0.01})
    _, notes = rows(key, own_runs)
    assert any("1.0000 points" in note and "map@r" in note for note in notes)


def test_every_format_shows_the_same_table(delta, smoke, reports, tmp_path):
    key = reports["twin-roxford", "tiny_conv", 16]["key"]
    shown = {}
    for form in ("rich", "markdown", "latex", "csv"):
        output = tmp_path / form
        assert delta(key, smoke, "--format", form, "-o", output).output == ""
        shown[form] = output.read_text()
        assert shown[form] == delta(key, smoke, "--format", form).output
        for name in ("ours", "junk as negatives", "uncropped queries", "spread"):
            assert name in shown[form], form
    assert "| finite-sum AP" in shown["markdown"]
    assert r"\toprule" in shown["latex"]
    assert not re.search(r"(?<!\\)[%_&#]", shown["latex"].split(r"\bottomrule")[1])
    assert "mAP M - ours" in shown["csv"].splitlines()[0]


def test_nothing_is_written_but_the_table(delta, own_runs, reports):
    before = {path: path.stat().st_mtime_ns for path in own_runs.rglob("*")}
    delta(reports["twin-sop", "tiny_conv", 16]["key"], own_runs)
    assert {path: path.stat().st_mtime_ns for path in own_runs.rglob("*")} == before


def test_conventions_of_the_same_inputs_share_a_pass(delta, smoke, reports, monkeypatch):
    passes = []

    def measure(row, inputs, conventions, advance):
        passes.append([convention.name for convention in conventions])
        return real(row, inputs, conventions, advance)

    real = command.measure
    monkeypatch.setattr(command, "measure", measure)
    delta(reports["twin-sop", "tiny_conv", 16]["key"], smoke)
    assert [names[0] for names in passes] == ["ours", "PCA on the test set", "half as queries"]
    assert [len(names) for names in passes][1:] == [1, 1]
