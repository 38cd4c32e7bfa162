"""bench.plan and bench.estimate"""

from bench.estimate import bytes_left, seconds_left, sentence
from bench.matrix import read_matrix
from bench.plan import make_plan, reasons, stages_left, summary


def plan(*words, exclude=()):
    return make_plan(read_matrix(words, preset=None, exclude=exclude), skip_bad_images=False)


def test_the_main_command_shares_its_work():
    text = summary(plan("dims=128,384", "backbone=deit_s,resnet50"))
    assert text.startswith("20 cells = 2 trainings + 10 extractions + 20 scorings")


def test_every_pooling_comes_from_one_pass(photos):
    made = plan(f"dataset=folder:{photos}", "backbone=deit_ti", "pooling=cls,avg,max,gem")
    assert summary(made) == "4 cells = 1 extraction + 4 scorings"
    assert list(made.poolings().values()) == [["cls", "avg", "max", "gem"]]


def test_pruned_cells_carry_their_reason():
    made = plan("backbone=deit_s,resnet50", "pooling=cls", exclude=["dataset=twin-sop"])
    assert len(made.cells) == 4
    assert reasons(made) == {
        "--exclude dataset=twin-sop": 2,
        "pooling=cls: resnet50 has no CLS token": 4,
    }


def test_exclude_knows_defaults_and_resolved_values():
    words = ("backbone=deit_s,resnet50", "dims=128,native", "dataset=twin-sop")
    kept = plan(*words, exclude=["pooling=gem dims=128", "dims=384"]).cells
    assert [(cell.job.backbone, cell.job.dims) for cell in kept] == [
        ("deit_s", 128),
        ("resnet50", 2048),
    ]


def test_cells_that_are_the_same_are_counted(photos):
    made = plan(f"dataset=folder:{photos}", "backbone=deit_ti", "seed=0,1,2")
    assert (len(made.cells), made.duplicates) == (1, 2)


def test_fields_of_the_recipe_are_swept_and_duplicates_counted():
    made = plan("backbone=tiny_vit", "dataset=twin-sop", "recipe.lr=5e-4,0.0005,1e-3")
    assert (len(made.cells), made.duplicates) == (2, 0)  # one value in two texts is one
    assert [cell.job.recipe for cell in made.cells] == ["twin", "twin(lr=0.001)"]
    assert len(made.trainings()) == 2
    assert made.cells[1].typed == ({**made.cells[0].typed[0], "recipe.lr": "0.001"},)


def test_fields_of_the_recipe_do_not_matter_without_training():
    words = ("backbone=tiny_vit", "dataset=twin-sop", "loss=none", "select=last,validation,test")
    made = plan(*words, "resolution=64", "test_resolution=same,64")
    assert (len(made.cells), made.duplicates) == (1, 5)
    assert made.trainings() == []


def test_exclude_knows_fields_of_the_recipe():
    words = ("backbone=tiny_vit", "dataset=twin-sop,twin-cub", "select=last,test")
    made = plan(*words, exclude=["select=test dataset=twin-cub"])
    assert [(cell.job.dataset, cell.job.recipe) for cell in made.cells] == [
        ("twin-sop", "twin"),
        ("twin-sop", "twin(selection=test)"),
        ("twin-cub", "twin"),
    ]


def test_nested_sizes_share_one_training_and_one_pass():
    words = ("backbone=tiny_vit", "dataset=twin-sop", "dims=8,16,32,native")
    assert summary(plan(*words, "projection=matryoshka")) == (
        "4 cells = 1 training + 1 extraction + 4 scorings"
    )
    assert summary(plan(*words, "projection=linear")).startswith("4 cells = 4 trainings + 4 ext")


def test_sizes_of_evaluation_share_one_training():
    made = plan("backbone=tiny_vit", "dataset=twin-sop,twin-cub", "test_resolution=same,96,128")
    assert summary(made) == "6 cells = 1 training + 6 extractions + 6 scorings"


def test_selecting_on_the_test_images_trains_for_each_dataset():
    words = ("backbone=tiny_vit", "dataset=twin-sop,twin-cub")
    assert len(plan(*words, "select=last,validation,test").trainings()) == 1 + 1 + 2
    made = plan("backbone=tiny_vit", "dataset=twin-sop,twin-roxford", "select=test")
    assert len(made.cells) == 1
    assert reasons(made) == {
        "select=test: a checkpoint is selected by R@1, which twin-roxford has not": 1
    }


def test_losses_are_swept():
    made = plan("backbone=tiny_vit", "dataset=twin-sop", "loss=none,contrastive+koleo(lambda=0,1)")
    assert [cell.job.loss for cell in made.cells] == [
        "none",
        "contrastive+koleo(lambda=0)",
        "contrastive+koleo(lambda=1)",
    ]


def test_the_estimate_falls_to_nothing_when_all_is_done(smoke):
    made = make_plan(read_matrix([], preset="smoke", exclude=[]), skip_bad_images=False)
    assert seconds_left(made, smoke) == 0
    assert bytes_left(made, smoke) == 0
    assert all(left == 0 for _, left in stages_left(made, smoke).values())


def test_the_estimate_counts_passes_at_the_evaluated_size(tmp_path):
    words = ("backbone=deit_s", "dims=native", "dataset=twin-sop", "loss=none")
    made = plan(*words, "resolution=64", "test_resolution=128")
    gmacs = 320 * 4.60 * (128 / 224) ** 2
    assert abs(seconds_left(made, tmp_path) - (gmacs / 60 + 0.3)) < 0.01


def test_the_estimate_counts_training_and_extraction(tmp_path):
    made = plan("backbone=deit_s", "dims=native", "dataset=twin-sop")
    images = 180 * 16 * 3 + 320
    gmacs = images * 4.60 * (64 / 224) ** 2
    assert abs(seconds_left(made, tmp_path) - (gmacs / 60 + 0.3)) < 0.01
    assert "of disk to go" in sentence(made, tmp_path)


def test_networks_that_see_the_same_images_share_them_on_the_disk(tmp_path):
    one, two = (
        bytes_left(plan("dataset=twin-cub", f"backbone={names}", "loss=none"), tmp_path)
        for names in ("tiny_vit", "tiny_vit,deit_s")
    )
    added = 240 * (384 + 384) * 4  # of deit_s: features and descriptors, no pixels
    assert two - one == added
