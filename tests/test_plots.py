"""results.plotting.plots and results.plotting.curves: what is drawn where, by which name."""

import numpy as np
import pandas as pd
import pytest

from results.events import Events
from results.plotting.curves import Curve, Histogram, histograms_figure, lines_figure
from results.plotting.plots import ablation_figure, curves_figure, pareto_figure
from results.plotting.style import Scale, save
from results.store import ResultsError
from tests.reports import frame, report


def texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def shown(axes):
    """Points of each line by its label."""
    return {
        line.get_label(): np.transpose(line.get_data()).round(9).tolist() for line in axes.lines
    }


def untitled(figure):
    return figure.get_suptitle() == "" and not any(axes.get_title() for axes in figure.axes)


def curve(label, n, **changes):
    x = np.arange(1.0, n + 1)
    return Curve(label, x, x / n, **changes)


# lines


def test_lines_are_the_curves_and_are_named_once():
    figure = lines_figure([curve("λ = 0", 3), curve("λ = 1", 2)], Scale("x"), Scale("y", (0, 2)))
    (axes,) = figure.axes
    assert shown(axes) == {
        "λ = 0": [[1, 0.333333333], [2, 0.666666667], [3, 1]],
        "λ = 1": [[1, 0.5], [2, 1]],
    }
    assert texts(figure) == ["λ = 0", "λ = 1"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_ylim()) == ("x", "y", (0, 2))
    assert untitled(figure)


def test_lines_differ_in_colour_marker_and_stroke():
    figure = lines_figure([curve(str(n), 3) for n in range(5)], Scale("x"), Scale("y"))
    lines = figure.axes[0].lines
    assert len({line.get_color() for line in lines}) == 5
    assert len({line.get_marker() for line in lines}) == 5
    assert len({str(line._dash_pattern) for line in lines}) == 5


def test_long_curves_are_marked_in_places_that_differ():
    figure = lines_figure([curve("a", 100), curve("b", 100), curve("c", 9)], Scale("x"), Scale("y"))
    places = [line.get_markevery() for line in figure.axes[0].lines]
    assert places[0] != places[1]
    assert places[2] is None


def test_a_logarithmic_axis_leaves_out_what_it_cannot_show():
    zero = Curve("a", np.array([0.0, 1, 8]), np.array([1.0, 2, 3]))
    figure = lines_figure([zero], Scale("x", log2=True), Scale("y"))
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert shown(axes)["a"] == [[1, 2], [8, 3]]


def test_spread_is_bars():
    one = curve("a", 3, spread=np.array([0.1, 0.2, 0.3]))
    (axes,) = lines_figure([one], Scale("x"), Scale("y")).axes
    (bars,) = axes.collections
    halves = [np.ptp(path.vertices[:, 1]) / 2 for path in bars.get_paths()]
    assert halves == pytest.approx([0.1, 0.2, 0.3])


# histograms


def histogram(label, height=0.5):
    return Histogram(label, np.array([-1.0, 0, 1]), np.array([0.2, height]), np.array([0.75, 0.25]))


def test_histograms_have_one_scale_and_a_panel_each():
    figure = histograms_figure(
        [histogram(name) for name in "abcd"], Scale("cosine", (-0.4, 1), tick=0.2), Scale("%")
    )
    assert [axes.texts[0].get_text() for axes in figure.axes] == list("abcd")
    assert {axes.get_ylim() for axes in figure.axes} == {(0, 112 * 0.75)}
    assert {axes.get_xlim() for axes in figure.axes} == {(-0.4, 1)}
    assert texts(figure) == ["positive pairs", "negative pairs"]
    positive, negative = figure.axes[0].patches
    assert [part.get_data()[0].tolist() for part in (positive, negative)] == [[20, 50], [75, 25]]
    assert negative.get_hatch()
    assert not positive.get_hatch()
    assert untitled(figure)


# cells


def cells(*given, **changes):
    """Reports of (backbone, dims, GMACs, R@1)."""
    return frame(
        *(
            report(
                f"{backbone}{dims}",
                job={**report()["job"], "backbone": backbone, "dims": dims},
                cost={"parameters": 10**6, "gmacs": gmacs, "bytes_per_image": 4 * dims},
                metrics={"r@1": recall, "r@10": 1.0},
                **changes,
            )
            for backbone, dims, gmacs, recall in given
        )
    )


FOUR = (
    ("resnet50", 128, 4.0, 0.50),
    ("resnet50", 256, 4.0, 0.55),
    ("deit_s", 128, 4.6, 0.54),
    ("deit_b", 128, 17.5, 0.60),
)


def scatter(axes):
    return {dots.get_label(): dots.get_offsets().round(9).tolist() for dots in axes.collections}


def test_the_front_joins_what_nothing_beats():
    figure = pareto_figure(cells(*FOUR), "gmacs", "r@1")
    (axes,) = figure.axes
    assert shown(axes) == {"front": [[4.0, 55.0], [17.5, 60.0]]}
    assert axes.lines[0].get_drawstyle() == "steps-post"
    points = scatter(axes)
    assert points["resnet50"] == [[4.0, 50.0], [4.0, 55.0]]
    assert points["deit_s"] == [[4.6, 54.0]]
    assert sorted(texts(figure)) == ["deit_b", "deit_s", "front", "resnet50"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("GMACs", "SOP R@1 (%)")
    assert axes.get_xscale() == "linear"
    assert untitled(figure)


def test_families_share_a_colour_and_a_shape():
    figure = pareto_figure(cells(*FOUR), "gmacs", "r@1", family=lambda name: name[:4])
    points = scatter(figure.axes[0])
    assert points["deit"] == [[4.6, 54.0], [17.5, 60.0]]
    assert sorted(texts(figure)) == ["deit", "front", "resn"]


def test_costs_of_a_wide_range_are_logarithmic_and_in_their_unit():
    wide = cells(("a", 8, 1, 0.1), ("b", 80, 1, 0.2))
    (axes,) = pareto_figure(wide, "bytes", "r@1").axes
    assert axes.get_xscale() == "log"
    assert shown(axes)["front"] == [[32, 10], [320, 20]]
    (axes,) = pareto_figure(wide, "params", "r@1").axes
    assert (axes.get_xlabel(), axes.get_xscale()) == ("params (M)", "linear")
    assert scatter(axes)["a"] == [[1, 10]]


def two_datasets():
    other = {**report()["job"], "dataset": "cub", "dataset_title": "CUB", "dims": 64}
    more = frame(
        report("x", job=other, metrics={"r@1": 0.9}), report("y", job={**other, "dims": 8})
    )

    return pd.concat([cells(*FOUR), more], ignore_index=True)


def test_datasets_have_panels_of_their_own():
    figure = pareto_figure(two_datasets(), "dims", "r@1", columns=2)
    assert [axes.get_ylabel() for axes in figure.axes] == ["SOP R@1 (%)", "CUB R@1 (%)"]


def test_an_unknown_cost_or_metric_is_said():
    with pytest.raises(ResultsError, match="unknown cost 'gmac'; did you mean 'gmacs'"):
        pareto_figure(cells(*FOUR), "gmac", "r@1")
    with pytest.raises(ResultsError, match="unknown metric"):
        pareto_figure(cells(*FOUR), "gmacs", "r@7")


def test_ablations_have_a_panel_for_each_axis():
    square = cells(*((b, d, 1, (d + len(b)) / 1000) for b in ("conv", "a_vit") for d in (8, 16)))
    figure = ablation_figure(square, "r@1")
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["backbone", "dims"]
    dims = panels["dims"]
    *thin, bold = (line.get_xdata().tolist() for line in dims.lines)
    assert sorted(thin) == [pytest.approx([1.2, 2.0]), pytest.approx([1.3, 2.1])]
    assert bold == pytest.approx([1.25, 2.05])
    assert [text.get_text() for text in dims.get_yticklabels()] == ["8", "16"]
    assert dims.get_ylim()[0] > dims.get_ylim()[1]  # the first value is on top
    assert dims.get_xlabel() == "SOP R@1 (%)"
    assert panels["backbone"].get_xlim() == dims.get_xlim()
    assert untitled(figure)


def test_ablations_of_datasets_stand_side_by_side():
    figure = ablation_figure(two_datasets(), "r@1", columns=2)
    headers = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert headers == ["SOP R@1 (%)", "CUB R@1 (%)"]


def with_losses(*losses):
    return frame(*(report(loss, job={**report()["job"], "loss": loss}) for loss in losses))


def test_long_values_lose_their_middle():
    losses = ["contrastive(beta=0.3)+koleo(lambda=0.3)", "contrastive(beta=0.1)+koleo(lambda=1)"]
    given = with_losses(*losses)
    for columns, first in ((1, "contr.(β=0.1)+koleo(λ=1)"), (2, "contr.(β=0.1)+koleo(λ=1)")):
        figure = ablation_figure(given, "r@1", columns=columns)
        names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert names[0] == first
    many = "contrastive(beta=0.1)+koleo_memory(lambda=1)+multi_similarity+recall_surrogate"
    given = with_losses(*losses, many)
    figure = ablation_figure(given, "r@1")
    (name,) = (t.get_text() for t in figure.axes[0].get_yticklabels() if "…" in t.get_text())
    assert len(name) == 26
    assert name.startswith("contr.(β=0.1")
    assert name.endswith("surrogate")


# trainings


def events(*losses, **others):
    steps = [{"step": step, "loss": loss} for step, loss in enumerate(losses)]
    return Events(steps=[{**step, **others} for step in steps])


def test_curves_are_as_logged_and_their_running_mean():
    jagged = [float(step % 2) for step in range(200)]
    figure = curves_figure({"one": events(*jagged), "two": events(1.0, 2.0)}, ["loss"])
    (axes,) = figure.axes
    thin, bold, *_ = axes.lines
    assert thin.get_ydata().tolist() == jagged
    assert 0.4 <= bold.get_ydata()[10:-10].min() <= bold.get_ydata()[10:-10].max() <= 0.6
    assert texts(figure) == ["one", "two"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss")


def test_a_value_has_a_panel_also_where_not_all_have_logged_it():
    given = {"one": events(1.0, positive_similarity=0.5), "two": events(2.0)}
    figure = curves_figure(given, ["loss", "positive_similarity"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "positive\nsimilarity"]
    assert [len(axes.lines) for axes in figure.axes] == [4, 2]
    assert texts(figure) == ["one", "two"]


def test_what_nobody_logged_is_said():
    with pytest.raises(ResultsError, match=r"no training has logged 'los': they have logged loss$"):
        curves_figure({"one": events(1.0)}, ["los"])
    with pytest.raises(ResultsError, match="they have logged nothing"):
        curves_figure({}, ["loss"])


def test_drawings_of_cells_become_files(tmp_path):
    figures = {
        "pareto": pareto_figure(cells(*FOUR), "gmacs", "r@1"),
        "ablation": ablation_figure(two_datasets(), "r@1", columns=2),
        "curves": curves_figure({"one": events(1.0, 2.0, 1.5)}, ["loss"]),
    }
    for name, figure in figures.items():
        save(figure, tmp_path / f"{name}.svg")
        assert (tmp_path / f"{name}.svg").stat().st_size > 2000
