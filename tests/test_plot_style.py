"""results.plotting.style: how figures look, and what the files of them hold."""

import sys
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from results.plotting.curves import Curve, lines_figure
from results.plotting.style import (
    COLOURS,
    WIDTHS,
    Scale,
    legend_of,
    looks,
    panels,
    save,
    styled,
)
from results.store import ResultsError

LETTERS = "Recall λ"


@pytest.fixture(scope="module")
def figure():
    curve = Curve("a curve", np.array([1.0, 2.0]), np.array([0.5, 0.75]))
    return lines_figure([curve], Scale(LETTERS), Scale("share"))


def luminance(colour):
    """Relative luminance (WCAG 2)."""
    parts = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_series_differ_without_their_colours():
    found = looks(40)
    assert len({(one.marker, str(one.line)) for one in found[:6]}) == 6
    assert len({(one.colour, one.marker) for one in found}) == 40
    assert [one.colour for one in found[:7]] == list(COLOURS)


def test_colours_stand_out_from_paper():
    """Okabe and Ito's, without the yellow; graphics need a contrast of more than 1.8 to white."""
    assert all(1.05 / (luminance(colour) + 0.05) > 1.8 for colour in COLOURS)


def test_a_pdf_has_text_in_truetype(figure, tmp_path):
    save(figure, tmp_path / "figure.pdf")
    content = (tmp_path / "figure.pdf").read_bytes()
    assert b"/Type3" not in content
    assert b"CIDFontType2" in content or b"/TrueType" in content


@pytest.mark.parametrize("ending", ["pdf", "svg", "PNG"])
def test_equal_figures_are_equal_files(figure, tmp_path, ending):
    for name in ("a", "b"):
        save(figure, tmp_path / f"{name}.{ending}")
    one, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("a", "b"))
    assert one == other
    assert b"/CreationDate" not in one
    assert b"dc:date" not in one
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_svg_is_a_column_wide(figure, tmp_path):
    save(figure, tmp_path / "figure.svg")
    root = ElementTree.fromstring((tmp_path / "figure.svg").read_bytes())
    width = float(root.attrib["width"].removesuffix("pt")) / 72
    assert 0.9 * WIDTHS[1] < width <= WIDTHS[1] + 0.05


def test_another_ending_or_no_folder_is_said(figure, tmp_path):
    with pytest.raises(ResultsError, match=r"end its name in \.pdf, \.svg or \.png"):
        save(figure, tmp_path / "figure.jpg")
    with pytest.raises(ResultsError, match=r"cannot write .*No such file"):
        save(figure, tmp_path / "no" / "figure.pdf")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ResultsError, match=r"pip install 'retrieval-bench\[plot\]'"):
        lines_figure([], Scale(""), Scale(""))


def test_the_style_is_ours_within_and_nobodys_after():
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        with styled():
            assert mpl.rcParams["font.size"] == 8
            assert mpl.rcParams["axes.facecolor"] == "white"
        assert mpl.rcParams["font.size"] == 30


@pytest.mark.parametrize(
    ("labels", "columns", "across"),
    [
        (["a"] * 1, 1, 1),
        (list("abcde"), 1, 5),
        (["resnet50 2048, λ = 0.7", "b", "c"], 1, 2),
        (["resnet50 2048, λ = 0.7", *"bcdefg"], 2, 4),
        (["x" * 80, "b"], 1, 1),
    ],
)
def test_a_legend_is_as_wide_as_fits_and_names_each_series_once(labels, columns, across):
    with styled():
        figure, grid = panels(columns, 2, across=2)
        for axes in grid.flat:
            for label in labels:
                axes.plot([0, 1], [0, 1], label=label)
        legend_of(figure, grid.flat, columns)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == labels
    assert legend._ncols == across


def test_nothing_to_name_is_no_legend():
    with styled():
        figure, grid = panels(1, 2)
        legend_of(figure, grid.flat, 1)
    assert figure.legends == []
