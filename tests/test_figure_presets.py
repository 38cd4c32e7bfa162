"""registry.figure_presets: the cells of the paper's figures, typed again from its captions."""

import pytest

from bench.figures.command import FIGURES
from bench.matrix import read_matrix
from bench.plan import make_plan
from registry.figure_presets import FIGURE_PRESETS
from registry.presets import PRESETS

NAMES = [row.name for row in FIGURE_PRESETS]


def jobs(preset, *, twins=False):
    matrix = read_matrix([], preset=preset, exclude=[], twins=twins)
    plan = make_plan(matrix, skip_bad_images=False)
    assert not plan.pruned
    assert not plan.duplicates
    return [cell.job for cell in plan.cells]


def compared(jobs):
    return [(job.dataset, job.backbone, job.loss, job.dims) for job in jobs]


def strengths(first, *values):
    """The losses of some lambdas; 0.7 is the default, and is not written."""
    return [f"{first}+koleo" + (f"(lambda={v:g})" if v != 0.7 else "") for v in values]


def test_each_figure_has_its_preset_and_they_are_among_the_presets():
    assert list(FIGURES) == NAMES == [f"irt-fig{number}" for number in (2, 3, 4, 5)]
    assert [PRESETS[name] for name in NAMES] == list(FIGURE_PRESETS)


def test_figure_2_is_r50_on_sop_untrained_and_by_lambda():
    losses = ["none", *strengths("contrastive", 0, 0.3, 0.7, 1)]
    assert compared(jobs("irt-fig2")) == [("sop", "resnet50", loss, 2048) for loss in losses]


def test_figure_3_is_both_networks_with_and_without_the_regulariser():
    losses = strengths("contrastive", 0, 1)
    assert compared(jobs("irt-fig3")) == [
        ("sop", backbone, loss, dims)
        for backbone, dims in (("deit_s", 384), ("resnet50", 2048))
        for loss in losses
    ]


def test_figure_4_is_four_margins_by_four_lambdas():
    firsts = ["contrastive" + (f"(beta={b:g})" if b != 0.5 else "") for b in (0.1, 0.3, 0.5, 0.7)]
    losses = {loss for first in firsts for loss in strengths(first, 0, 0.3, 0.7, 1)}
    found = compared(jobs("irt-fig4"))
    assert len(found) == len(losses) == 16
    assert {loss for *_, loss, _ in found} == losses
    assert {(dataset, backbone) for dataset, backbone, *_ in found} == {("sop", "deit_s")}


def test_figure_5_is_the_three_methods_in_256_dims_on_paris():
    found = jobs("irt-fig5")
    losses = ["none", "contrastive(beta=0.85)", "contrastive(beta=0.85)+koleo(lambda=4)"]
    assert compared(found) == [("rparis", "deit_s", loss, 256) for loss in losses]
    for job in found:
        assert (job.resolution, job.projection, job.train) == (224, "pca", "sfm120k")


@pytest.mark.parametrize(
    ("figure", "table"),
    [("irt-fig2", "irt-table5"), ("irt-fig3", "irt-table5"), ("irt-fig4", "irt-table5")],
)
def test_trainings_are_those_of_a_table(figure, table):
    trained = [job for job in jobs(figure) if job.trained]
    assert set(trained) <= set(jobs(table))


@pytest.mark.parametrize("name", NAMES)
def test_on_twins_nothing_falls_away(name):
    real, drawn = jobs(name), jobs(name, twins=True)
    assert [job.loss for job in real] == [job.loss for job in drawn]
    assert [job.dims for job in real] == [job.dims for job in drawn]
    assert {job.dataset for job in drawn} == {f"twin-{job.dataset}" for job in real}


@pytest.mark.parametrize("name", NAMES)
def test_gaps_are_sentences_and_said_once(name):
    gaps = PRESETS[name].gaps
    assert len(gaps) == len(set(gaps)) >= 5
    assert not any(gap.endswith(".") for gap in gaps)


def test_figure_4_says_what_the_paper_leaves_open():
    said = " ".join(PRESETS["irt-fig4"].gaps)
    assert "backbone and dataset are not stated" in said
    assert "whether their directions are normalised is not stated" in said
