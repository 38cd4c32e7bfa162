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


def test_the_estimate_falls_to_nothing_when_all_is_done(smoke):
    made = make_plan(read_matrix([], preset="smoke", exclude=[]), skip_bad_images=False)
    assert seconds_left(made, smoke) == 0
    assert bytes_left(made, smoke) == 0
    assert all(left == 0 for _, left in stages_left(made, smoke).values())


def test_the_estimate_counts_training_and_extraction(tmp_path):
    made = plan("backbone=deit_s", "dims=native", "dataset=twin-sop")
    images = 180 * 16 * 3 + 320
    gmacs = images * 4.60 * (64 / 224) ** 2
    assert abs(seconds_left(made, tmp_path) - (gmacs / 60 + 0.3)) < 0.01
    assert "of disk to go" in sentence(made, tmp_path)
