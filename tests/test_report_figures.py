"""bench.report_figures: which figure a command line draws, and what it says where there is none."""

import pytest

from bench.report_figures import is_figure
from registry.errors import UsageError
from results.events import events_path
from results.store import ResultsError
from tests.reports import frame, report


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--pareto", "gmacs"), "front.pdf"),
        (("--effects", "--metric", "r@1"), "ablation.svg"),
        (("--curves",), "curves.png"),
    ],
)
def test_what_is_asked_for_is_drawn(bench, smoke, tmp_path, words, name):
    bench("report", *words, "-o", tmp_path / name, runs=smoke)
    begins = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}[name[-4:]]
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_figure_of_nothing_is_refused(bench, smoke, tmp_path):
    result = bench("report", "-o", tmp_path / "x.pdf", runs=smoke, exit_code=2)
    assert "say of what, with --pareto COST, --effects, --curves" in result.output
    assert not (tmp_path / "x.pdf").exists()
    result = bench("report", "--curves", runs=smoke, exit_code=2)
    assert "-o curves.pdf" in result.output


def test_a_figure_shows_one_metric(tmp_path):
    from bench.report_figures import draw_front

    with pytest.raises(UsageError, match="r@1,map@r: a figure shows one"):
        draw_front(frame(report()), "gmacs", ["r@1", "map@r"], tmp_path / "x.pdf")


def test_no_training_is_said(tmp_path):
    from bench.report_figures import draw_curves

    assert not events_path(tmp_path, "k").exists()
    with pytest.raises(ResultsError, match="no training is behind the finished cells"):
        draw_curves(frame(report()), tmp_path, tmp_path / "x.pdf")


def test_only_pictures_are_figures(tmp_path):
    assert is_figure(tmp_path / "a.PDF")
    assert not is_figure(tmp_path / "a.tex")
    assert not is_figure(None)
