"""bench.identity: keys hold everything that numbers depend on, and nothing else."""

import dataclasses
import importlib
import shutil

import pytest

from bench import identity
from bench.identity import key_of, report_key, scores_of, spec_of
from bench.job import resolve
from bench.matrix import read_matrix
from bench.plan import make_plan
from registry import backbones, recipe, recipes
from registry.table import Table
from tests.conftest import write_photos


def job(**cell):
    return resolve({"dataset": "twin-sop", "backbone": "tiny_vit", **cell})


def key(**cell):
    one = job(**cell)
    return report_key(one, scores_of(one, skip_bad_images=False))


def model_of(**cell):
    return scores_of(job(**cell), skip_bad_images=False).descriptors.features.extraction.model


@pytest.fixture(autouse=True)
def forget():
    """Keys are remembered within a process; the tests change what they are made of."""
    yield
    identity.key_of.cache_clear()
    identity.weights_identity.cache_clear()


def test_the_keys_of_the_smoke_preset_are_pinned():
    """A change here means that everybody's finished work is computed again: is that meant?"""
    plan = make_plan(read_matrix([], preset="smoke", exclude=[]), skip_bad_images=False)
    assert [cell.key for cell in plan.cells][:2] == ["3ae1a7acc1a2cf4b", "6e526b6a2214cb29"]


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "twin-cub"},
        {"backbone": "tiny_conv"},
        {"pooling": "avg"},
        {"loss": "contrastive(beta=0.4)"},
        {"recipe": "smoke"},
        {"recipe.lr": "0.1"},
        {"recipe.selection": "validation"},
        {"recipe.selection": "test"},
        {"resolution": "96"},
        {"test_resolution": "96"},
        {"dims": "32"},
        {"projection": "linear"},
        {"projection": "matryoshka"},
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
    monkeypatch.setattr(recipes, "RECIPES", Table("recipe", [same]))
    identity.key_of.cache_clear()
    assert key() == before
    monkeypatch.setattr(recipes, "RECIPES", Table("recipe", [other]))
    identity.key_of.cache_clear()
    assert key() != before


def test_a_new_field_that_changes_nothing_leaves_every_key(monkeypatch):
    """As the version after this one adds it."""
    before = key()

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Later(recipe.Recipe):
        mixup: float = 0.0

    later = Later(**vars(recipes.RECIPES["twin"]))
    monkeypatch.setattr(recipe, "Recipe", Later)
    for row, same in ((later, True), (dataclasses.replace(later, mixup=0.5), False)):
        monkeypatch.setattr(recipes, "RECIPES", Table("recipe", [row]))
        identity.key_of.cache_clear()
        assert (key() == before) == same


def test_a_default_written_out_is_no_other_key():
    assert key(**{"recipe.lr": "5e-4", "recipe.channels_last": "no"}) == key()
    assert key(recipe="twin(lr=0.0005)", loss="contrastive") == key()
    assert key(**{"recipe.lr": "0.1"}) == key(recipe="twin(lr=0.1)")


@pytest.mark.parametrize("which", ["loss", "transform", "pooling"])
def test_versions_of_what_a_training_uses_are_in_the_key(monkeypatch, which):
    tables = {
        "loss": ("registry.losses.LOSSES", "contrastive"),
        "transform": ("bench.identity.AUGMENTATIONS", "short_random_flip"),
        "pooling": ("bench.identity.POOLINGS", "cls"),
    }
    before, untrained = key(), key(loss="none")
    place, name = tables[which]
    module, _, attribute = place.rpartition(".")
    table = getattr(importlib.import_module(module), attribute)
    rows = [
        dataclasses.replace(row, version=9) if row.name == name else row for row in table.values()
    ]
    monkeypatch.setattr(place, Table(which, rows))
    identity.key_of.cache_clear()
    assert key() != before
    assert (key(loss="none") == untrained) == (which != "pooling")


def test_a_size_of_evaluation_alone_shares_the_training():
    one, other = (model_of(test_resolution=size) for size in ("same", "96"))
    assert one == other
    assert model_of(resolution="96", test_resolution="64") != one
    extractions = [
        scores_of(job(test_resolution=size), skip_bad_images=False).descriptors.features.extraction
        for size in ("same", "96")
    ]
    assert [found.resolution for found in extractions] == [64, 96]


def test_a_fit_is_on_images_of_the_evaluated_size():
    fit = scores_of(job(dims="8", test_resolution="96"), skip_bad_images=False).descriptors.fit
    assert fit.features.extraction.resolution == 96


def test_one_training_serves_every_nested_size():
    found = [
        scores_of(job(projection="matryoshka", dims=dims), skip_bad_images=False)
        for dims in ("8", "16", "64")
    ]
    assert len({one.descriptors.features for one in found}) == 1
    assert len({key_of(one) for one in found}) == 3
    assert {one.descriptors.fit for one in found} == {None}
    training = found[0].descriptors.features.extraction.model.training
    assert (training.head_dims, training.nested) == (None, True)


@pytest.mark.parametrize(
    ("projection", "head", "nested"), [("linear", 16, False), ("pca", None, False)]
)
def test_only_a_learned_head_has_its_size_in_the_training(projection, head, nested):
    training = model_of(projection=projection, dims="16").training
    assert (training.head_dims, training.nested) == (head, nested)


@pytest.mark.parametrize("selection", ["last", "validation"])
def test_a_checkpoint_of_training_images_alone_serves_every_dataset(selection):
    cell = {"train": "twins", "recipe.selection": selection}
    one, other = (model_of(dataset=name, **cell) for name in ("twin-sop", "twin-cub"))
    assert one == other
    assert one.training.selected_on is None


def test_a_checkpoint_selected_on_the_test_images_is_that_datasets_own():
    cell = {"train": "twins", "recipe.selection": "test"}
    one, other = (model_of(dataset=name, **cell) for name in ("twin-sop", "twin-cub"))
    assert [one.training.selected_on, other.training.selected_on] == ["twin-sop", "twin-cub"]
    assert key_of(one) != key_of(other)
    assert spec_of(one)["training"]["selected_on"] == one.training.selected_images


def test_test_images_that_change_change_what_was_selected_on_them(monkeypatch):
    before = key_of(model_of(**{"recipe.selection": "test"}))
    plain = key_of(model_of())
    real = identity.image_identity

    def changed(row, data):
        found = real(row, data)
        return {**found, "x": 1} if row.name == "twin-sop" else found

    monkeypatch.setattr(identity, "image_identity", changed)
    identity.key_of.cache_clear()
    assert key_of(model_of(**{"recipe.selection": "test"})) != before
    assert key_of(model_of()) == plain


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
