"""bench report and bench compare: what is done, as people read it. Imports only click at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.options import FORMAT, OUTPUT, RUNS, STRICT, names, user_errors

if TYPE_CHECKING:
    from results.stats.intervals import Method


@click.command()
@RUNS
@FORMAT
@click.option("--rows", default="", metavar="AXIS,…", help="Axes of the rows.")
@click.option("--cols", default="dataset", metavar="AXIS,…", help="Axes of the columns.")
@click.option("--metric", default="", metavar="NAME,…", help="r@1, map@r, map_hard, mp@10_medium …")
@click.option(
    "--group", default="", metavar="NAME", help="gmacs, params, bytes: about equal; or an axis."
)
@click.option("--intervals", type=click.Choice(["bootstrap", "wilson"]), help="95 % intervals.")
@click.option("--baseline", default="", metavar='"AXIS=V …"', help="Test rows against this one.")
@STRICT
@OUTPUT
def report(  # noqa: PLR0913 - one parameter per option
    runs: Path,
    form: str,
    rows: str,
    cols: str,
    metric: str,
    group: str,
    intervals: Method | None,
    baseline: str,
    strict: bool,
    output: Path | None,
) -> None:
    """Print the finished cells as a table: for the terminal, GitHub, a paper or a spreadsheet.

    Under it is the signature of its numbers: how they were measured.
    """
    import results
    from results.chosen import read_words
    from results.render import write_table
    from results.tables import Extras, make_table

    with user_errors():
        extras = Extras(group, intervals, read_words(baseline, "--baseline"))
        table = make_table(
            results.load(runs),
            rows=names(rows),
            cols=names(cols) or ["dataset"],
            metrics=names(metric.lower()),
            strict=strict,
            extras=extras,
        )
        write_table(table, form, output)


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
