"""What bench report does with a figure's preset: print its numbers, or draw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures.cells import cells_of
from bench.figures.content import Content
from bench.figures.energy import energy_content
from bench.figures.gradients import gradient_content
from bench.figures.pairs import pairs_content
from bench.figures.stored import Folders
from bench.figures.variants import Report
from registry.presets import PRESETS
from results.plotting.style import SUFFIXES, save
from results.render import write_table
from results.store import ResultsError, read_reports, unknown

if TYPE_CHECKING:
    import pandas as pd

Make = Callable[[Sequence[Report], "pd.DataFrame", Folders], Content]

FIGURES: dict[str, Make] = {
    "irt-fig2": partial(energy_content, log2=False),
    "irt-fig3": partial(energy_content, log2=True),
    "irt-fig4": gradient_content,
    "irt-fig5": pairs_content,
}
"""By the name of the preset whose cells each shows."""


NOT_DRAWN = (".eps", ".ps", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".webp")
"""Endings of pictures that are refused: nobody wants a table in one."""


def write_figure(
    name: str, frame: pd.DataFrame, runs: Path, data: Path, form: str, output: Path | None
) -> None:
    """Show what a figure shows of results.load(runs), of the cells of its preset.

    output ends in .pdf, .svg or .png: the figure; in .csv: its points; else its table, as form
    says. Raises ResultsError where there is nothing to show, WorkError where artifacts are gone.
    """
    content = make_content(name, frame, runs, data)
    ending = output.suffix.lower() if output else ""
    if output and ending in (*SUFFIXES, *NOT_DRAWN):
        save(content.draw(), output)
        for remark in content.remarks:
            print(f"{output}: {remark}")
    elif output and ending == ".csv":
        write_table(content.as_points, "csv", output)
    else:
        write_table(content.table, form, output)


def make_content(name: str, frame: pd.DataFrame, runs: Path, data: Path) -> Content:
    """Compute what a figure shows of the finished cells of its preset."""
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)
    if frame.empty:
        raise ResultsError(
            f"there are no finished cells of {name} yet: bench run --preset {name} makes them"
        )
    shown, notes = cells_of(name, frame)
    reports = list(read_reports(runs, set(shown["key"])))
    content = FIGURES[name](reports, shown, Folders(runs, data))
    gaps = [f"not as in the paper: {gap}" for gap in PRESETS[name].gaps]
    table = replace(content.table, notes=[*content.table.notes, *notes, *gaps])
    return replace(content, table=table, remarks=notes)
