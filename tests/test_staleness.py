"""bench.staleness: cells whose inputs or versions changed are stale, and say which; no others."""

import dataclasses
import json
import os
import shutil

import pytest

from bench import identity, image_identity
from bench.execution import lease_files
from bench.execution.artifacts import write_json
from bench.execution.owner import Lease, this_process
from bench.execution.work import name_of
from bench.matrix import read_matrix
from bench.plan import make_plan
from bench.plan_notes import remember
from bench.spec import full_spec
from bench.status import states
from registry import recipes
from registry.datasets import dataset_row
from registry.datasets.folder import folder_dataset
from registry.datasets.twin_folder import twin_dataset
from registry.table import Table
from results.store import failure_path, report_path
from tests.conftest import write_photos

TWIN = ("backbone=tiny_vit", "dims=8", "dataset=twin-sop", "projection=pca")


@pytest.fixture(autouse=True)
def _forget():
    yield
    forget()


def forget():
    """What a process remembers, and a new one does not."""
    identity.key_of.cache_clear()
    identity.weights_identity.cache_clear()
    image_identity._signature.cache_clear()
    folder_dataset.cache_clear()
    twin_dataset.cache_clear()


@pytest.fixture
def change(monkeypatch):
    """Have a name of bench.identity be something else from now on."""

    def change(name, value):
        monkeypatch.setattr(identity, name, value)
        forget()

    return change


def plan_of(*words, data=None):
    return make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False, data=data)


def noted(runs, *words, data=None):
    plan = plan_of(*words, data=data)
    remember(plan, runs)
    for age, path in enumerate(sorted((runs / "plans").iterdir(), key=os.path.getmtime)):
        os.utime(path, (age, age))
    return plan.cells[0]


def report(runs, cell, **changes):
    """What a report says of where it came from."""
    title = dataset_row(cell.job.dataset).title
    content = {"spec": full_spec(cell.scores), "job": {"dataset_title": title}, **changes}
    write_json(report_path(runs, cell.key), content)


def fail(runs, cell):
    write_json(failure_path(runs, cell.key), {"message": "no such luck"})


def only(runs, data=None):
    (cell,) = states(runs, data)
    return cell.state, cell.detail


VERSIONS = {
    "SCORES_VERSION": ("scores.version 3 -> 7", "scores"),
    "DESCRIPTORS_VERSION": ("descriptors.version 2 -> 7", "descriptors"),
    "FIT_VERSION": ("fit.version [1, 1] -> [1, 7]", "fit"),
    "EXTRACTION_VERSION": ("extraction.version 1 -> 7", "extraction"),
    "TRAINING_VERSION": ("model.training.version 1 -> 7", "model"),
    "DECODING_VERSION": (
        "model.training.decoding [1, false] -> [7, false], "
        "extraction.decoding [1, false] -> [7, false]",
        "model",
    ),
}


@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize("train", ["own", "twins"])
def test_a_report_names_the_root_of_what_changed(tmp_path, change, name, train):
    """Whether the fit's images are a pass of their own or the dataset's training split."""
    cell = noted(tmp_path, *TWIN, f"train={train}")
    report(tmp_path, cell)
    assert only(tmp_path) == ("done", "")
    change(name, 7)
    assert only(tmp_path) == ("stale", VERSIONS[name][0])


@pytest.mark.parametrize("name", VERSIONS)
def test_without_a_report_the_first_stage_that_changed_is_named(tmp_path, change, name):
    noted(tmp_path, *TWIN)
    change(name, 7)
    assert only(tmp_path) == ("stale", f"{VERSIONS[name][1]} changed since it was planned")


def test_values_of_rows_are_named_and_hashes_are_not_shown(tmp_path, monkeypatch):
    cell = noted(tmp_path, *TWIN)
    spec = full_spec(cell.scores)
    training = {**spec["model"]["training"], "images": "0123456789abcdef"}
    spec["model"] = {**spec["model"], "training": training}
    report(tmp_path, cell, spec=spec)
    row = dataclasses.replace(recipes.RECIPES["twin"], lr=0.125)
    before = recipes.RECIPES["twin"].lr
    monkeypatch.setattr(recipes, "RECIPES", Table("recipe", [row]))
    forget()
    assert only(tmp_path) == (
        "stale",
        f"model.training.images changed, model.training.recipe.lr {before} -> 0.125",
    )


def test_what_only_a_reference_tells_is_told(tmp_path, monkeypatch):
    """Reports of earlier versions do not hold every stage."""
    cell = noted(tmp_path, *TWIN)
    spec = full_spec(cell.scores)
    del spec["fit_extraction"]
    spec["fit"] = {**spec["fit"], "features": "0123456789abcdef"}
    report(tmp_path, cell, spec=spec)
    monkeypatch.setattr("bench.plan_notes.report_key", lambda job, scores: "another")
    assert only(tmp_path) == ("stale", "fit.features changed")


def test_distractors_are_looked_at_too(bench, tmp_path):
    distractors = tmp_path / "many"
    bench("data", "twin", "r1m", "--classes", 2, "--images", 3, "--out", distractors)
    words = ("backbone=tiny_vit", f"dataset=twin-roxford+twin:{distractors}", "loss=none")
    cell = noted(tmp_path, *words, data=tmp_path)
    report(tmp_path, cell)
    assert only(tmp_path, tmp_path) == ("done", "")
    resize(distractors)
    assert only(tmp_path, tmp_path) == ("stale", "distractors_extraction.images changed")
    assert only(tmp_path) == ("done", "")


def test_a_damaged_report_falls_back_on_the_names_of_stages(tmp_path, change):
    cell = noted(tmp_path, *TWIN)
    report_path(tmp_path, cell.key).parent.mkdir()
    report_path(tmp_path, cell.key).write_text("{")
    assert only(tmp_path) == ("done", "")
    change("SCORES_VERSION", 7)
    assert only(tmp_path) == ("stale", "scores changed since it was planned")


def test_a_failure_of_before_is_not_shown_as_todays(tmp_path, change):
    fail(tmp_path, noted(tmp_path, *TWIN))
    assert only(tmp_path)[0] == "failed"
    change("SCORES_VERSION", 7)
    assert only(tmp_path) == ("stale", "scores changed since it was planned")
    noted(tmp_path, *TWIN)
    assert only(tmp_path) == ("pending", "")


def test_what_was_planned_anew_is_listed_once_unless_it_has_a_report(tmp_path, change):
    first = noted(tmp_path, *TWIN)
    change("SCORES_VERSION", 7)
    second = noted(tmp_path, *TWIN)
    assert only(tmp_path) == ("pending", "")
    change("SCORES_VERSION", 8)
    assert only(tmp_path)[0] == "stale"
    assert states(tmp_path)[0].key == second.key
    change("SCORES_VERSION", 3)
    assert states(tmp_path)[0].key == first.key
    assert only(tmp_path) == ("pending", "")
    change("SCORES_VERSION", 7)
    report(tmp_path, first, spec={**full_spec(first.scores), "scores": {"version": 2}})
    shown = {cell.key: (cell.state, cell.detail.partition(",")[0]) for cell in states(tmp_path)}
    assert shown[second.key] == ("pending", "")
    assert shown[first.key][0] == "stale"


def test_a_stale_cell_that_somebody_works_at_is_running(tmp_path, change):
    cell = noted(tmp_path, *TWIN)
    (tmp_path / "leases").mkdir()
    path = tmp_path / "leases" / f"{name_of(cell.scores)}.json"
    lease_files.put(path, Lease(this_process(), "scoring", "now"))
    change("SCORES_VERSION", 7)
    assert only(tmp_path)[0] == "running"


def test_a_folder_that_changed_and_one_that_is_gone(tmp_path):
    photos = write_photos(tmp_path / "photos")
    words = ("backbone=tiny_vit", f"dataset=folder:{photos}", "weights=scratch")
    done, pending = noted(tmp_path, *words), noted(tmp_path, *words, "dims=8")
    report(tmp_path, done)
    (photos / "class0" / "0.jpg").write_bytes((photos / "class1" / "0.jpg").read_bytes())
    forget()
    shown = {cell.key: (cell.state, cell.detail) for cell in states(tmp_path)}
    assert shown == {
        done.key: ("stale", "extraction.images changed"),
        pending.key: ("stale", "extraction changed since it was planned"),
    }
    shutil.rmtree(photos)
    forget()
    shown = {cell.key: (cell.state, cell.detail) for cell in states(tmp_path)}
    assert shown == {done.key: ("done", ""), pending.key: ("pending", "")}


def test_weights_that_changed_and_that_are_gone(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"one")
    cell = noted(tmp_path, "backbone=tiny_vit", f"weights=file:{file}", "dataset=twin-sop")
    report(tmp_path, cell)
    assert only(tmp_path) == ("done", "")
    file.write_bytes(b"two")
    forget()
    assert only(tmp_path) == ("stale", "model.weights.sha256 changed")
    file.unlink()
    forget()
    assert only(tmp_path) == ("done", "")


@pytest.fixture
def twin(bench, tmp_path):
    """A twin's folder: as with real datasets, the sizes of its files are part of keys."""
    out = tmp_path / "drawn"
    bench("data", "twin", "cub", "--classes", 4, "--images", 3, "--out", out)
    return out


def resize(twin):
    path = sorted(twin.rglob("*.jpg"))[-1]
    path.write_bytes(path.read_bytes() + b"\0")
    forget()


def test_images_of_another_size_make_cells_stale(twin, tmp_path):
    words = ("backbone=tiny_vit", f"dataset=twin:{twin}", "train=own", "loss=contrastive")
    cell = noted(tmp_path, *words, data=tmp_path)
    report(tmp_path, cell)
    assert only(tmp_path, tmp_path) == ("done", "")
    resize(twin)
    said = "model.training.images changed, extraction.images changed"
    assert only(tmp_path, tmp_path) == ("stale", said)


def test_images_that_cannot_be_found_now_make_nothing_stale(twin, tmp_path, change):
    """As it is with a real dataset whose folder is not under --data."""
    words = (f"dataset=twin:{twin}", "loss=none", "weights=scratch", "projection=pca", "dims=8")
    done = noted(tmp_path, "backbone=tiny_vit", *words, data=tmp_path)
    pending = noted(tmp_path, "backbone=tiny_conv", *words, data=tmp_path)
    report(tmp_path, done)
    for path in twin.glob("*.txt"):
        path.unlink()
    forget()
    assert plan_of("backbone=tiny_vit", *words, data=tmp_path).cells[0].key != done.key
    shown = {cell.key: (cell.state, cell.detail) for cell in states(tmp_path, tmp_path)}
    assert shown == {done.key: ("done", ""), pending.key: ("pending", "")}
    change("SCORES_VERSION", 7)
    shown = {cell.key: (cell.state, cell.detail) for cell in states(tmp_path, tmp_path)}
    assert shown == {done.key: ("stale", "scores.version 3 -> 7"), pending.key: ("pending", "")}


def test_training_images_that_cannot_be_found_now_make_nothing_stale(twin, tmp_path):
    words = ("backbone=tiny_vit", "dataset=twin-sop", f"train=twin:{twin}", "loss=contrastive")
    cell = noted(tmp_path, *words, data=tmp_path)
    for path in twin.glob("*.txt"):
        path.unlink()
    forget()
    assert plan_of(*words, data=tmp_path).cells[0].key != cell.key
    assert only(tmp_path, tmp_path) == ("pending", "")


def test_old_reports_of_images_that_cannot_be_found_are_done(twin, tmp_path):
    """They lack the fit's images, whose hash is in the fit's reference to its features."""
    words = (f"dataset=twin:{twin}", "loss=none", "weights=scratch", "projection=pca", "dims=8")
    cell = noted(tmp_path, "backbone=tiny_vit", *words, data=tmp_path)
    spec = full_spec(cell.scores)
    report(tmp_path, cell, spec={name: spec[name] for name in spec if name != "fit_extraction"})
    assert only(tmp_path, None) == ("done", "")


def test_a_failure_for_want_of_images_is_stale_once_they_are_there(twin, tmp_path):
    words = ("backbone=tiny_vit", f"dataset=twin:{twin}", "loss=none", "weights=scratch")
    away = twin.with_name("away")
    lists = list(twin.glob("*.txt"))
    away.mkdir()
    for path in lists:
        path.rename(away / path.name)
    fail(tmp_path, noted(tmp_path, *words, data=tmp_path))
    assert only(tmp_path, tmp_path)[0] == "failed"
    for path in lists:
        (away / path.name).rename(path)
    forget()
    assert only(tmp_path, tmp_path) == ("stale", "extraction changed since it was planned")
    cell = noted(tmp_path, *words, data=tmp_path)
    assert only(tmp_path, tmp_path) == ("pending", "")
    for path in lists:
        path.unlink()
    forget()
    assert [found.key for found in states(tmp_path, tmp_path)] == [cell.key]  # planned last


def test_a_cell_that_only_timm_can_describe_keeps_its_state(tmp_path, change):
    """To ask timm takes torch, so it is not asked."""
    cell = noted(tmp_path, *TWIN)
    (path,) = (tmp_path / "plans").iterdir()
    note = json.loads(path.read_text())
    note[cell.key]["job"]["backbone"] = "timm:resnet18"
    path.write_text(json.dumps(note))
    change("backbone_row", None)
    assert only(tmp_path) == ("pending", "")


@pytest.mark.parametrize("wrong", [{"colour": "red"}, {"recipe": "gone"}])
def test_notes_that_cannot_be_resolved_keep_their_state(tmp_path, change, wrong):
    cell = noted(tmp_path, *TWIN)
    (path,) = (tmp_path / "plans").iterdir()
    note = json.loads(path.read_text())
    note[cell.key]["job"] |= wrong
    path.write_text(json.dumps(note))
    change("SCORES_VERSION", 7)
    assert only(tmp_path) == ("pending", "")


def test_another_title_in_tables_is_a_change_too(tmp_path, monkeypatch):
    cell = noted(tmp_path, *TWIN)
    report(tmp_path, cell, job={"dataset_title": "old name"})
    monkeypatch.setattr("bench.plan_notes.report_key", lambda job, scores: "another")
    assert only(tmp_path) == ("stale", f"dataset_title old name -> {dataset_row('twin-sop').title}")
    report(tmp_path, cell)
    assert only(tmp_path) == ("stale", "what its key is made of changed")
    report_path(tmp_path, cell.key).unlink()
    assert only(tmp_path) == ("stale", "its name in tables changed since it was planned")
