"""registry.presets and registry.twin_presets: the paper's matrices, and the same on twins."""

import pytest

from bench.matrix import read_matrix
from bench.plan import make_plan, reasons
from bench.selection import Typed, choose, read_selection
from registry.datasets import dataset_row
from registry.errors import UsageError
from registry.presets import PRESETS, Preset
from registry.twin_presets import on_twins

PAPER = [name for name in PRESETS if name.startswith("irt-table")]
CELLS = {
    "irt-table1": (6, 6),
    "irt-table2": (3 * 3, 3 * 3),  # .128, 384, distilled 384; three datasets
    "irt-table3": (3 * 5, 3 * 5),
    "irt-table4": (3 * 2, 3 * 2),
    "irt-table5": (2 * 5 * 5, 2 * 5 * 5),
    "irt-table6": (6 * 2, 6 * 2),
    # 18 rows, two datasets; R101 with GeM and with R-MAC has the same two sizes at 384
    "irt-table7": (18 * 2, (18 - 4) * 2),
    "irt-table8": (4 * 2, 4 * 2),
    "irt-table9": (4 * 5, 4 * 5),
}
"""Real, and on twins: counted by hand."""
COMPARED = ("backbone", "pooling", "loss", "dims", "projection", "transform", "crop")


def plan(preset, *words, twins=False):
    matrix = read_matrix(words, preset=preset, exclude=[], twins=twins)
    return make_plan(matrix, skip_bad_images=False)


def test_the_papers_tables_are_all_there():
    assert sorted(CELLS) == PAPER == [f"irt-table{number}" for number in range(1, 10)]


@pytest.mark.parametrize("name", PAPER)
def test_a_preset_is_its_cells_and_on_twins_the_same_ones(name):
    real, drawn = plan(name), plan(name, twins=True)
    assert (len(real.cells), len(drawn.cells)) == CELLS[name]
    assert real.duplicates == drawn.duplicates == 0
    kept = {tuple(getattr(cell.job, axis) for axis in COMPARED) for cell in real.cells}
    assert kept == {tuple(getattr(cell.job, axis) for axis in COMPARED) for cell in drawn.cells}
    assert {f"twin-{cell.job.dataset}".replace("twin-twin-", "twin-") for cell in real.cells} == {
        cell.job.dataset for cell in drawn.cells
    }


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize("twins", [False, True])
def test_nothing_is_pruned_but_by_its_own_rules(name, twins):
    left = [why for why in reasons(plan(name, twins=twins)) if not why.startswith("--exclude ")]
    expected = [f"pooling=cls: resnet{size} has no CLS token" for size in (50, 101)]
    assert left == (expected if name == "irt-table7" else [])


@pytest.mark.parametrize("name", PAPER[1:])
def test_on_twins_the_setting_is_the_twins(name):
    for cell in plan(name, twins=True).cells:
        job = cell.job
        assert (job.weights, job.resolution, job.test_resolution) == ("scratch", 64, None)
        assert job.recipe == ("twin" if job.trained else None)
        assert job.train == ("twins" if job.trained or job.projection == "pca" else None)


def test_on_twins_words_and_rules_are_mapped():
    row = Preset(
        name="p",
        meaning="",
        matrix=(
            "dataset=sop,cub@subset(classes=20,seed=0)",
            "backbone=resnet50,deit_s",
            "loss=contrastive(beta=0.1,0.3)+koleo",
            "weights=pretrained",
            "recipe=irt-sop",
            "train=own",
            "resolution=224,384",
            "test_resolution=384",
            "recipe.ema=0.9",
            "dims=128",
        ),
        exclude=("dataset=sop dims=128", "backbone=deit_s resolution=384", "dataset=twin-sop"),
    )
    assert on_twins(row).matrix == (
        "dataset=twin-sop,twin-cub@subset(classes=20,seed=0)",
        "backbone=resnet50,deit_s",
        "loss=contrastive(beta=0.1,0.3)+koleo",
        "recipe.ema=0.9",
        "dims=128",
    )
    assert on_twins(row).exclude == ("dataset=twin-sop dims=128", "dataset=twin-sop")


def test_what_is_not_trained_is_not_trained_on_twins():
    """Twins are trained on by default, real datasets are not."""
    row = Preset(name="p", meaning="", matrix=("dataset=sop", "backbone=deit_s"))
    assert on_twins(row).matrix == ("dataset=twin-sop", "backbone=deit_s", "loss=none")


@pytest.mark.parametrize("name", ["smoke", "quickstart", "irt-table1"])
def test_a_preset_of_twins_is_what_it_is(name):
    assert on_twins(PRESETS[name]) == PRESETS[name]


def test_a_dataset_without_a_twin_is_refused():
    row = Preset(name="p", meaning="", matrix=("dataset=sop,cars196", "backbone=deit_s"))
    with pytest.raises(UsageError, match="unknown dataset 'twin-cars196'"):
        on_twins(row)


def test_typed_axes_replace_those_on_twins():
    made = plan("irt-table3", "backbone=tiny_vit", "resolution=128", "dataset=twin-cub", twins=True)
    assert {(cell.job.backbone, cell.job.resolution) for cell in made.cells} == {("tiny_vit", 128)}
    assert len(made.cells) == 3  # none, IRT_L, IRT_R: rules on twins by name hold
    real = plan("irt-table3", "dataset=cub", twins=True)
    assert {cell.job.weights for cell in real.cells} == {"pretrained"}


@pytest.mark.parametrize("retry", [False, True])
def test_twins_without_a_preset_is_refused(retry, tmp_path):
    wanted = read_selection(only=(), shard=None, retry_failed=retry, limit=None)
    typed = Typed((), None, (), False, True)
    with pytest.raises(UsageError, match="--twins puts a --preset on twins"):
        choose(typed, wanted, tmp_path, tmp_path)


def test_twins_on_the_command_line(bench):
    said = bench("run", "--preset", "irt-table3", "--twins", "--dry-run").output
    assert "15 cells = 4 trainings + 15 extractions" in said
    assert "not there yet" not in said


@pytest.mark.parametrize("name", PAPER)
def test_gaps_are_said_once_each(name):
    row = PRESETS[name]
    assert row.layout == name
    assert row.gaps
    assert len(set(row.gaps)) == len(row.gaps)
    assert all(gap == gap.strip() and not gap.endswith(".") for gap in row.gaps)
    assert name[-1] in row.meaning


def test_landmark_tables_name_the_landmarks_gaps():
    for name in PAPER:
        trained = {cell.job.dataset for cell in plan(name).cells if cell.job.trained}
        measures = {dataset_row(dataset).measure for dataset in trained}
        said = " ".join(PRESETS[name].gaps)
        assert ("revisited" in measures) == ("blurred faces" in said)
        assert ("recall" in measures) == ("the central 224" in said)


def test_gaps_are_listed(bench):
    said = bench("list", "preset").output
    assert "not as in the paper, or not known to be" in said
    assert "blurred" in said
