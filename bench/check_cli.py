"""bench check: the gate of a CI. Imports only click at once."""

from __future__ import annotations

from pathlib import Path

import click

from bench.options import RUNS, finite, names, user_errors

FILE = click.Path(path_type=Path, dir_okay=False)


def _finite(
    context: click.Context, parameter: click.Parameter, value: float | None
) -> float | None:
    """Refuse a number that is none; leave what was not given."""
    return None if value is None else finite(context, parameter, value)


@click.command()
@click.argument("baseline", type=FILE)
@RUNS
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=100),
    callback=finite,
    default=0.1,
    show_default=True,
    metavar="POINTS",
    help="How much worse is no failure, in points: by default the last digit of tables.",
)
@click.option("--metric", default="", metavar="NAME,…", help="Only these; to --update: also these.")
@click.option("--update", is_flag=True, help="Write the baseline from RUNS, and say what changed.")
@click.option("--markdown", type=FILE, metavar="FILE", help="A comment for the pull request.")
@click.option("--junit", type=FILE, metavar="FILE", help="JUnit XML, a test case for each cell.")
@click.option(
    "--max-slowdown",
    type=click.FloatRange(min=1, max=1e6),
    callback=_finite,
    metavar="X",
    help="Fail where a cell takes X times as long, on the same machine.",
)
@click.option("--both-ways", is_flag=True, help="Fail also where a number is better.")
def check(  # noqa: PLR0913 - one parameter per option
    baseline: Path,
    runs: Path,
    tolerance: float,
    metric: str,
    update: bool,
    markdown: Path | None,
    junit: Path | None,
    max_slowdown: float | None,
    both_ways: bool,
) -> None:
    """Hold the finished cells of RUNS to a BASELINE, query by query: the gate of a CI.

    Exit code 1: a number is worse by more than noise over queries explains, or a cell is missing,
    or was measured under another protocol, on other queries, or with a network of another size.
    A baseline is one JSON file, made and renewed with --update, small enough to review.
    """
    from bench.check_command import check_baseline, update_baseline
    from results.gate.regress import Rules

    asked = tuple(names(metric.lower()))
    with user_errors():
        if update:
            if markdown or junit:
                raise click.UsageError("--update compares nothing: leave --markdown, --junit out")
            update_baseline(baseline, runs, asked)
            return
        rules = Rules(tolerance / 100, asked, both_ways, max_slowdown)
        red = check_baseline(baseline, runs, rules, markdown=markdown, junit=junit)
    raise SystemExit(1 if red else 0)


COMMANDS = (check,)
