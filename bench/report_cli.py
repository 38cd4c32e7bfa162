"""bench report and bench compare: what is done, as people read it. Imports only click at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import completion
from bench.options import DATA, FORMAT, OUTPUT, PAGE_FORMAT, RUNS, STRICT, names, user_errors

if TYPE_CHECKING:
    from results.stats.intervals import Method


@click.command()
@RUNS
@PAGE_FORMAT
@click.option("--rows", default="", metavar="AXIS,…", help="Axes of the rows.")
@click.option("--cols", default="dataset", metavar="AXIS,…", help="Axes of the columns.")
@click.option("--metric", default="", metavar="NAME,…", help="r@1, map@r, map_hard, mp@10_medium …")
@click.option(
    "--group", default="", metavar="NAME", help="gmacs, params, bytes: about equal; or an axis."
)
@click.option("--intervals", type=click.Choice(["bootstrap", "wilson"]), help="95 % intervals.")
@click.option("--baseline", default="", metavar='"AXIS=V …"', help="Test rows against this one.")
@click.option("--published", is_flag=True, help="Published numbers beside ours, with Δ.")
@click.option("--systems", is_flag=True, help="Rows of published systems, too.")
@click.option("--effects", is_flag=True, help="Which axis matters: effects, interactions.")
@click.option("--pareto", default="", metavar="COST", help="The front over gmacs, bytes, dims …")
@click.option("--curves", is_flag=True, help="Draw the trainings: -o curves.pdf.")
@click.option(
    "--preset",
    default="",
    shell_complete=completion.presets,
    help="A table or figure of the paper.",
)
@click.option("--versus", nargs=2, metavar="A B", help="Two keys for the page's win/loss gallery.")
@DATA
@STRICT
@OUTPUT
def report(  # noqa: PLR0913 - one parameter per option
    runs: Path,
    data: Path,
    form: str,
    rows: str,
    cols: str,
    metric: str,
    group: str,
    intervals: Method | None,
    baseline: str,
    published: bool,
    systems: bool,
    effects: bool,
    pareto: str,
    curves: bool,
    preset: str,
    versus: tuple[str, str] | None,
    strict: bool,
    output: Path | None,
) -> None:
    """Print the finished cells: for the terminal, GitHub, a paper, a spreadsheet or a browser.

    \b
    bench report --intervals bootstrap --baseline "backbone=resnet50 dims=128"
    bench report --group gmacs --format latex -o table.tex
    bench report --effects                  which axis explains the variance
    bench report --pareto gmacs -o front.pdf
    bench report --format html -o page.html

    Under a table is the signature of its numbers: how they were measured. With --effects the
    --baseline is the row around which one axis at a time is changed.
    """
    with user_errors():
        from bench.report_views import Asked, show_report

        asked = Asked(
            runs=runs,
            data=data,
            form=form,
            rows=names(rows),
            cols=names(cols),
            metrics=names(metric.lower()),
            group=group,
            intervals=intervals,
            baseline=baseline,
            published=published,
            systems=systems,
            effects=effects,
            pareto=pareto,
            curves=curves,
            preset=preset,
            versus=versus,
            strict=strict,
            output=output,
        )
        show_report(asked)


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@RUNS
@FORMAT
@click.option("--metric", default="", metavar="NAME,…", help="r@1, map@r, map_hard …")
@click.option(
    "--classes",
    default=5,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Show the N classes that A loses most, and the N that it wins most.",
)
@STRICT
@OUTPUT
def compare(  # noqa: PLR0913 - one parameter per option
    a: str,
    b: str,
    runs: Path,
    form: str,
    metric: str,
    classes: int,
    strict: bool,
    output: Path | None,
) -> None:
    """Compare two rows on the same queries: is the difference real?

    \b
    bench compare "backbone=deit_s dims=384" "backbone=resnet50 dims=384"
    bench compare 3f2a 91bc

    A and B are AXIS=VALUE words, which stand for a cell of each dataset, or keys. Seeds are
    averaged. Shown are the difference with its interval, exact paired tests, the least difference
    that these queries could have told, and the classes that A loses and wins.
    """
    import results
    from results.comparison import check_protocols, comparison_tables, pairs_of
    from results.render import write_tables

    with user_errors():
        pairs = pairs_of(results.load(runs), a, b, names(metric.lower()))
        if strict:
            check_protocols(pairs)
        write_tables(comparison_tables(pairs, classes), form, output)


COMMANDS = (report, compare)
