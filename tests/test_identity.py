"""bench.identity: keys hold everything that numbers depend on, and nothing else."""

import dataclasses
import shutil

import pytest

from bench import identity
from bench.identity import key_of, report_key, scores_of
from bench.job import resolve
from bench.matrix import read_matrix
from bench.plan import make_plan
from registry import backbones, recipes
from registry.table import Table
from tests.conftest import write_photos


def job(**cell):
    return resolve({"dataset": "twin-sop", "backbone": "tiny_vit", **cell})


def key(**cell):
    one = job(**cell)
    return report_key(one, scores_of(one, skip_bad_images=False))


@pytest.fixture(autouse=True)
def forget():
    """Keys are remembered within a process; the tests change what they are made of."""
    yield
    identity.key_of.cache_clear()
    identity.weights_identity.cache_clear()


def test_the_keys_of_the_smoke_preset_are_pinned():
    """A change here means that everybody's finished work is computed again: is that meant?"""
    plan = make_plan(read_matrix([], preset="smoke", exclude=[]), skip_bad_images=False)
    assert [cell.key for cell in plan.cells][:2] == ["b3dc89b14192342b", "2d22643100c62afc"]


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "twin-cub"},
        {"backbone": "tiny_conv"},
        {"pooling": "avg"},
        {"loss": "contrastive(beta=0.4)"},
        {"recipe": "smoke"},
        {"resolution": "96"},
        {"dims": "32"},
        {"projection": "linear"},
        {"seed": "1"},
        {"loss": "none"},
        {"train": "own"},
        {"transform": "square"},
    ],
)
def test_every_axis_is_in_the_key(change):
    assert key() != key(**change)


def test_what_a_recipe_says_is_in_the_key_not_its_name(monkeypatch):
    before = key()
    row = recipes.RECIPES["twin"]
    same = dataclasses.replace(row, meaning="other words")
    other = dataclasses.replace(row, lr=1e-3)
    monkeypatch.setattr(identity, "RECIPES", Table("recipe", [same]))
    identity.key_of.cache_clear()
    assert key() == before
    monkeypatch.setattr(identity, "RECIPES", Table("recipe", [other]))
    identity.key_of.cache_clear()
    assert key() != before


def test_a_changed_mean_is_another_key(monkeypatch):
    before = key()
    row = dataclasses.replace(backbones.BACKBONES["tiny_vit"], mean=(0.4, 0.4, 0.4))
    monkeypatch.setattr(identity, "backbone_row", lambda name: row)
    identity.key_of.cache_clear()
    assert key() != before


def test_a_stage_version_is_in_the_key(monkeypatch):
    before = key()
    monkeypatch.setattr(identity, "SCORES_VERSION", 99)
    identity.key_of.cache_clear()
    assert key() != before


def test_the_path_of_a_folder_is_not_in_the_key_its_content_is(tmp_path):
    one = write_photos(tmp_path / "one" / "photos")
    two = tmp_path / "two" / "photos"
    shutil.copytree(one, two)
    three = tmp_path / "three" / "photos"
    shutil.copytree(one, three)
    (three / "class0" / "0.jpg").write_bytes((one / "class1" / "0.jpg").read_bytes())
    cell = {"weights": "scratch", "loss": "none"}
    keys = [key(dataset=f"folder:{root}", **cell) for root in (one, two, three)]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_the_bytes_of_a_weights_file_are_in_the_key(tmp_path):
    file = tmp_path / "weights.pth"
    keys = []
    for content in (b"one", b"two"):
        file.write_bytes(content)
        identity.key_of.cache_clear()
        identity.weights_identity.cache_clear()
        keys.append(key(weights=f"file:{file}"))
    assert keys[0] != keys[1]


def test_cells_that_differ_late_share_what_comes_before():
    first, second = (scores_of(job(dims=dims), skip_bad_images=False) for dims in ("16", "32"))
    assert first.descriptors.features == second.descriptors.features
    assert first.descriptors.fit == second.descriptors.fit
    assert key_of(first) != key_of(second)


def test_skipping_bad_images_is_another_number():
    one = job()
    skipping, strict = (scores_of(one, skip_bad_images=skip) for skip in (True, False))
    assert report_key(one, skipping) != report_key(one, strict)
