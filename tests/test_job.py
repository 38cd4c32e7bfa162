"""bench.job: defaults, what does not matter, and what makes no sense."""

import pytest

from bench.job import Job, Pruned, resolve
from registry.errors import UsageError


def job(**cell):
    resolved = resolve({"dataset": "twin-sop", "backbone": "deit_s", **cell})
    assert isinstance(resolved, Job), resolved
    return resolved


def reason(**cell):
    resolved = resolve({"dataset": "twin-sop", "backbone": "deit_s", **cell})
    assert isinstance(resolved, Pruned), resolved
    return resolved.reason


def test_twins_are_trained_from_scratch_by_default():
    made = job()
    assert (made.weights, made.train, made.loss, made.resolution) == (
        "scratch",
        "twins",
        "contrastive",
        64,
    )


def test_folders_are_measured_off_the_shelf_by_default(photos):
    made = job(dataset=f"folder:{photos}")
    assert (made.weights, made.loss, made.resolution) == ("pretrained", "none", 224)
    assert (made.train, made.recipe, made.seed) == (None, None, None)


def test_the_native_width_is_not_projected():
    assert job(dims="native").projection == "none"
    assert job(dims="384").projection == "none"
    assert job(dims="128").projection == "pca"
    assert job(dims="384", projection="pca").projection == "pca"


def test_poolings_follow_the_backbone():
    assert job().pooling == "cls"
    assert job(backbone="resnet50").pooling == "gem"


@pytest.mark.parametrize("axis", ["recipe", "seed", "train"])
def test_an_axis_that_does_not_matter_makes_no_second_job(axis, photos):
    values = {"recipe": ("twin", "smoke"), "seed": ("0", "1"), "train": ("own", "twins")}[axis]
    cell = {"dataset": f"folder:{photos}", "loss": "none"}
    first, second = (job(**cell, **{axis: value}) for value in values)
    assert first == second


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ({"backbone": "resnet50", "pooling": "cls"}, "resnet50 has no CLS token"),
        ({"backbone": "swin_t", "pooling": "cls"}, "swin_t has no CLS token"),
        ({"pooling": "cls+dist"}, "deit_s has no DIST token"),
        ({"pooling": "gem_learned", "loss": "none"}, "nothing learns it with loss=none"),
        ({"dims": "512"}, "above deit_s's native width 384"),
        ({"dims": "128", "projection": "none"}, "projection=none keeps deit_s's width 384"),
        (
            {"projection": "linear", "loss": "none"},
            "projection=linear: nothing trains it with loss=none",
        ),
        ({"resolution": "100"}, "patches of 16 do not divide it; take 96 or 112"),
        ({"projection": "matryoshka", "loss": "none"}, "projection=matryoshka: nothing trains it"),
        (
            {"projection": "matryoshka", "dims": "512"},
            "above deit_s's native width 384; only a learned head goes there (projection=linear)",
        ),
        ({"test_resolution": "100"}, "test_resolution=100: deit_s's patches of 16 do not"),
        ({"resolution": "100", "test_resolution": "96"}, "resolution=100: deit_s's patches"),
        (
            {"loss": "none", "test_resolution": "100", "resolution": "64"},
            "test_resolution=100: deit_s's patches",
        ),
        (
            {"dataset": "twin-roxford", "recipe.selection": "test"},
            "select=test: a checkpoint is selected by R@1, which twin-roxford has not",
        ),
        ({"resolution": "8"}, "do not divide it; take 16"),
        ({"backbone": "resnet50", "resolution": "31"}, "below resnet50's total stride 32"),
        ({"backbone": "resnet50", "dims": "1024"}, "PCA needs more images than dimensions"),
        ({"backbone": "tf_mobilenetv2", "weights": "pretrained"}, "timm hosts none"),
        ({"dataset": "twin-roxford", "train": "own"}, "no training split; name one with train="),
        ({"train": "twin-roxford", "loss": "none", "dims": "8"}, "no training split to fit pca"),
        (
            {"dataset": "twin-roxford", "train": "own", "loss": "none", "dims": "384"}
            | {"projection": "pca"},
            "twin-roxford has 309 to fit it on",
        ),
    ],
)
def test_cells_that_make_no_sense_say_why(cell, why):
    assert why in reason(**cell)


def test_a_recipe_is_written_in_one_form():
    assert job().recipe == "twin"
    assert job(**{"recipe.lr": "5e-4"}).recipe == "twin"
    assert job(**{"recipe.lr": "0.001", "recipe.steps": "9"}).recipe == "twin(steps=9,lr=0.001)"
    assert job(recipe="twin(lr=1)", **{"recipe.lr": "0.001"}).recipe == "twin(lr=0.001)"
    assert job(recipe="smoke", **{"recipe.selection": "test"}).recipe == "smoke(selection=test)"


def test_a_recipe_that_cannot_be_is_said():
    with pytest.raises(UsageError, match=r"recipe\.lr=-1\.0 is out of range"):
        job(**{"recipe.lr": "-1"})
    with pytest.raises(UsageError, match="multiple of images_per_class"):
        job(**{"recipe.batch_images": "15"})


@pytest.mark.parametrize("axis", ["recipe.lr", "recipe.selection", "recipe.steps"])
def test_a_field_of_the_recipe_makes_no_second_job_without_training(axis):
    value = {"recipe.lr": "1", "recipe.selection": "test", "recipe.steps": "7"}[axis]
    assert job(loss="none") == job(loss="none", **{axis: value})


def test_without_training_there_is_one_resolution():
    """That of the evaluated images: at whatever size it was not trained."""
    plain = job(loss="none", resolution="96")
    assert (plain.resolution, plain.test_resolution) == (96, None)
    assert job(loss="none", resolution="64", test_resolution="96") == plain
    assert job(loss="none", resolution="64", test_resolution="same").resolution == 64


def test_a_test_resolution_equal_to_that_of_training_is_none():
    assert job(test_resolution="64") == job(test_resolution="same") == job()
    other = job(test_resolution="96")
    assert (other.resolution, other.test_resolution, other.evaluated_at) == (64, 96, 96)
    assert "64/96px" in other.label


def test_a_network_may_be_trained_at_a_size_it_is_not_evaluated_at():
    made = job(backbone="resnet50", resolution="64", test_resolution="100")
    assert (made.resolution, made.evaluated_at) == (64, 100)


@pytest.mark.parametrize("dims", ["16", "384"])
def test_nested_dims_are_cut_not_fitted(dims):
    made = job(projection="matryoshka", dims=dims)
    assert (made.dims, made.projection) == (int(dims), "matryoshka")


def test_a_learned_head_may_be_wider_than_the_backbone():
    assert job(dims="512", projection="linear").dims == 512


def test_distilled_deit_has_both_its_tokens():
    assert job(backbone="deit_s_distilled").pooling == "cls"
    assert job(backbone="deit_s_distilled", pooling="cls+dist").pooling == "cls+dist"


def test_a_folder_without_the_weights_says_what_it_looked_for(tmp_path):
    (tmp_path / "resnet18.pth").touch()
    with pytest.raises(UsageError, match=r"looked for deit_small_patch16_224.*found resnet18.pth"):
        job(weights=f"dir:{tmp_path}")


def test_values_are_every_axis():
    assert list(job().values()) == list(Job.__dataclass_fields__)
    assert "deit_s" in job().label
