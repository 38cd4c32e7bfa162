"""bench.figures.variants: which reports are one curve, in which order, by which name."""

import pytest

from bench.figures.variants import Objective, by_method, objective_of, variants
from tests.reports import report


def reports(*losses, **changes):
    return [
        report(f"{place}{loss}", job__loss=loss, **changes) for place, loss in enumerate(losses)
    ]


def with_job(one, **job):
    return {**one, "job": {**one["job"], **job}}


def labels(given, **options):
    return [variant.label for variant in variants(given, **options)]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("contrastive", Objective(0.5, 0)),
        ("contrastive+koleo", Objective(0.5, 0.7)),
        ("contrastive(beta=0.85)+koleo(lambda=4)", Objective(0.85, 4)),
        ("none", None),
        ("snca", None),
        ("contrastive+koleo_memory", None),
        ("contrastive_mean+koleo", None),
    ],
)
def test_a_loss_is_the_papers_objective_or_not(loss, expected):
    assert objective_of(loss) == expected


def test_curves_are_sorted_by_lambda_and_untrained_ones_come_first():
    given = reports(
        "snca", "contrastive+koleo(lambda=1)", "none", "contrastive", "multi_similarity"
    )
    assert labels(given) == ["no training", "λ = 0", "λ = 1", "multi_similarity", "snca"]


def test_lambda_0_is_the_loss_without():
    (one,) = variants(reports("contrastive", "contrastive+koleo(lambda=0)"))
    assert one.label == "λ = 0"
    assert len(one.reports) == 2


def test_margins_are_named_where_they_differ():
    given = reports("contrastive(beta=0.7)", "contrastive(beta=0.1)+koleo(lambda=1)", "none")
    assert labels(given) == ["no training", "β = 0.1, λ = 1", "β = 0.7, λ = 0"]


def test_margins_along_the_axis_tell_no_curves_apart():
    given = reports("contrastive(beta=0.7)", "contrastive(beta=0.1)", "contrastive+koleo")
    found = variants(given, beta_along=True)
    assert [(one.label, len(one.reports)) for one in found] == [("λ = 0", 2), ("λ = 0.7", 1)]


def test_figure_5_names_methods():
    given = reports("contrastive(beta=0.85)+koleo(lambda=4)", "contrastive(beta=0.85)", "none")
    expected = ["IRT_O", "IRT_L", "IRT_R, λ = 4"]
    assert labels(given, name=by_method, untrained="IRT_O") == expected


def test_seeds_are_one_curve():
    one = report("a", job__loss="contrastive")
    given = [with_job(one, seed=0), with_job(one, seed=1)]
    (found,) = variants(given)
    assert len(found.reports) == 2


def test_what_follows_from_the_network_is_not_named():
    """Pooling, dims and weights: each network has its own."""
    vit = reports("contrastive", "none")
    conv = [
        with_job(one, backbone="resnet50", pooling="gem", dims=2048, resolution=64)
        for one in reports("contrastive", "none")
    ]
    assert labels([*vit, *conv]) == [
        "deit_s 384, no training",
        "deit_s 384, λ = 0",
        "resnet50 2048, no training",
        "resnet50 2048, λ = 0",
    ]


def test_what_does_not_matter_to_the_untrained_tells_nothing():
    trained = report("a", job__loss="contrastive", job__recipe="irt-sop", job__train="own")
    trained = with_job(trained, recipe="irt-sop", train="own", seed=0)
    assert labels([trained, *reports("none")]) == ["no training", "λ = 0"]


def test_another_axis_is_named():
    one = report("a", job__loss="contrastive")
    given = [with_job(one, resolution=384), with_job(one, resolution=224)]
    assert labels(given) == ["resolution=224", "resolution=384"]
    assert labels([with_job(one, dims=128), with_job(one, dims=64)]) == ["64", "128"]


def test_one_report_is_called_by_its_loss():
    assert labels(reports("contrastive+koleo")) == ["λ = 0.7"]
