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
        ({"projection": "linear", "loss": "none"}, "nothing trains a head"),
        ({"resolution": "100"}, "patches of 16 do not divide it; take 96 or 112"),
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
