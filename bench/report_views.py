"""Report views: the tables, the page, the analyses that bench report makes of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import results
from bench.report_figures import draw_ablations, draw_curves, draw_front, is_figure, no_figure
from registry.errors import UsageError
from results.chosen import read_words
from results.render import write_tables
from results.tables import Extras, make_table

if TYPE_CHECKING:
    import pandas as pd

    from results.stats.intervals import Method
    from results.table import Table


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of bench report."""

    runs: Path
    data: Path
    form: str
    rows: list[str]
    cols: list[str]
    metrics: list[str]
    group: str
    intervals: Method | None
    baseline: str
    published: bool
    systems: bool
    effects: bool
    pareto: str
    curves: bool
    preset: str
    versus: tuple[str, str] | None
    strict: bool
    output: Path | None


def show_report(asked: Asked) -> None:
    """Print, or write, the view that the options ask for."""
    frame = results.load(asked.runs)
    if not frame.empty:  # in the order of the matrix, not of the keys
        frame = frame.sort_values("finished", kind="stable", ignore_index=True)
    if asked.form == "html":
        _write_page(frame, asked)
    elif asked.preset:
        _write_preset(frame, asked)
    elif asked.output and is_figure(asked.output):
        _draw(frame, asked, asked.output)
    elif asked.curves:
        raise UsageError("--curves draws: give its file with -o curves.pdf (or .svg, .png)")
    else:
        write_tables(_tables(frame, asked), asked.form, asked.output)


def _tables(frame: pd.DataFrame, asked: Asked) -> list[Table]:
    """Tables of the cells, of effects, or of what is on the front."""
    baseline = read_words(asked.baseline, "--baseline")
    if asked.effects:
        from results.effects import effects_tables
        from results.one_factor import one_factor_table

        if baseline:
            return [one_factor_table(frame, baseline, asked.metrics)]
        return effects_tables(frame, asked.metrics)
    if asked.pareto:
        from results.pareto import pareto_table

        return [pareto_table(frame, asked.pareto, asked.metrics)]
    extras = Extras(
        group=asked.group,
        intervals=asked.intervals,
        baseline=baseline,
        published=asked.published,
        systems=asked.systems,
    )
    table = make_table(
        frame,
        rows=asked.rows,
        cols=asked.cols or ["dataset"],
        metrics=asked.metrics,
        strict=asked.strict,
        extras=extras,
    )
    return [table]


def _draw(frame: pd.DataFrame, asked: Asked, output: Path) -> None:
    """Draw what the options ask for."""
    if asked.pareto:
        draw_front(frame, asked.pareto, asked.metrics, output)
    elif asked.effects:
        draw_ablations(frame, asked.metrics, output)
    elif asked.curves:
        draw_curves(frame, asked.runs, output)
    else:
        raise no_figure(output)


def _write_page(frame: pd.DataFrame, asked: Asked) -> None:
    from bench.locate import locator
    from results.page import write_page

    if asked.output is None:
        raise UsageError("--format html is a page of its own: give its file with -o page.html")
    write_page(
        frame, asked.output, runs=asked.runs, locate=locator(asked.data), versus=asked.versus
    )
    print(f"{asked.output}: open it in a browser; it needs nothing else")


def _write_preset(frame: pd.DataFrame, asked: Asked) -> None:
    """A table or a figure of the paper, of whatever cells of it are finished."""
    from bench.figures.command import FIGURES, write_figure
    from registry.presets import PRESETS
    from results.paper.table import paper_table

    row = PRESETS[asked.preset]
    if row.name in FIGURES:
        write_figure(row.name, frame, asked.runs, asked.data, asked.form, asked.output)
    elif row.layout:
        write_tables([paper_table(frame, row.layout, row.gaps)], asked.form, asked.output)
    else:
        known = [name for name, one in PRESETS.items() if one.layout or name in FIGURES]
        raise UsageError(
            f"--preset {row.name} is no table or figure of the paper (those are "
            f"{', '.join(known)}): bench report shows its cells"
        )
