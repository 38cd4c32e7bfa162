"""Plot style: how figures for papers look, and how they become files. Needs the extra plot.

Colours that colour-blind readers can tell apart (Okabe and Ito 2008), and beside each a marker and
a line of its own, so that prints in grey can be read. Text stays text in PDF (fonts of type 42).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from results.files import write_bytes
from results.store import ResultsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".pdf", ".svg", ".png")
WIDTHS = {1: 3.3, 2: 6.9}
"""Inches of a figure over one column of a paper, and over two."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""One more than colours: a colour has another marker when it comes again."""
LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (3, 1)),
    (0, (6, 1, 1, 1, 1, 1)),
)
GREY = "#8C8C8C"
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E2E2E2",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.borderaxespad": 0.2,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "retrieval-bench",
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.02,
}


@dataclass(frozen=True)
class Look:
    """What one series is drawn with."""

    colour: str
    marker: str
    line: Any


@dataclass(frozen=True)
class Scale:
    """What an axis shows."""

    label: str
    limits: tuple[float, float] | None = None
    log2: bool = False
    tick: float | None = None
    """Distance between ticks."""


def looks(count: int) -> list[Look]:
    """Looks of so many series; all differ, by marker where colours come again."""
    found = zip(cycle(COLOURS), cycle(MARKERS), cycle(LINES), strict=False)
    return [Look(*parts) for parts in islice(found, count)]


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style within; raises ResultsError where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ResultsError(
            "figures are drawn by matplotlib, which is not installed: "
            "pip install 'retrieval-bench[plot]'"
        ) from error
    with mpl.rc_context():
        mpl.rcdefaults()  # a user's own matplotlibrc must not change a paper's figures
        mpl.rcParams.update(STYLE)
        yield


def panels(
    columns: int,
    height: float,
    *,
    across: int = 1,
    down: int = 1,
    ratios: Sequence[float] | None = None,
) -> tuple[Figure, Any]:
    """Make a figure of a width, and its (down, across) array of axes; ratios are of heights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTHS[columns], height), layout="constrained")
    return figure, figure.subplots(down, across, squeeze=False, height_ratios=ratios)


def put_scale(axes: Axes, x: Scale, y: Scale) -> None:
    """Name a panel's axes, and set what they show."""
    from matplotlib.ticker import MultipleLocator

    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    if x.log2:
        axes.set_xscale("log", base=2)
    if x.tick:
        axes.xaxis.set_major_locator(MultipleLocator(x.tick))
    if x.limits:
        axes.set_xlim(*x.limits)
    if y.limits:
        axes.set_ylim(*y.limits)


def leave_out(grid: npt.NDArray[np.object_], used: int) -> None:
    """Remove the panels of a grid beyond those that are used."""
    unused: list[Any] = grid.ravel().tolist()[used:]
    for axes in unused:
        axes.remove()


def legend_of(figure: Figure, panels: Iterable[Axes], columns: int) -> None:
    """Put one legend above all panels, where it hides no data, as wide as fits."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        entry = 0.48 + 0.053 * max(map(len, found))  # inches: the sample, then letters of 7 points
        across = max(1, min(len(found), int(WIDTHS[columns] / entry)))
        down = -(-len(found) // across)
        even = -(-len(found) // down)
        figure.legend(
            list(found.values()),
            list(found),
            loc="outside upper center",
            ncols=even,
            columnspacing=1.2,
        )


def save(figure: Figure, output: Path) -> None:
    """Write a figure as what its name ends in: .pdf, .svg or .png; equal figures are equal files.

    In one step. Raises ResultsError for another ending, or where it cannot be written.
    """
    form = output.suffix.lower()
    if form not in SUFFIXES:
        raise ResultsError(
            f"cannot draw {output}: end its name in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}[form]
    drawn = io.BytesIO()
    with styled():
        figure.savefig(drawn, format=form[1:], dpi=300, metadata=undated)
    write_bytes(drawn.getvalue(), output)
