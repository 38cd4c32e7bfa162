"""bench merge, clean and show: what is done with a run folder. Imports only click at once."""

from __future__ import annotations

from pathlib import Path

import click

from bench.options import RUNS, user_errors


@click.command()
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    metavar="DIR…",
    type=click.Path(path_type=Path, file_okay=False),
)
@RUNS
@click.option("--reports-only", is_flag=True, help="Leave artifacts where they are.")
def merge(folders: tuple[Path, ...], runs: Path, reports_only: bool) -> None:
    """Bring what other run folders hold into RUNS: of several machines, or several users.

    Reports, failures, plan notes, logs, and artifacts, which may be many GB. What RUNS has already
    stays. Where two folders give one cell different numbers, they are shown and nothing is merged.
    """
    from bench.merge import merge as merge_folders

    with user_errors():
        merge_folders(folders, runs, artifacts=not reports_only)


@click.command()
@RUNS
@click.option("--dry-run", is_flag=True, help="Show, free nothing.")
@click.option("--all", "everything", is_flag=True, help="Free also what can be computed again.")
def clean(runs: Path, dry_run: bool, everything: bool) -> None:
    """Show what a run folder holds, and free what nothing needs. Never a report.

    Needed is what cells still to be done rest on; to give a plan up, delete its note in RUNS/plans.
    --all frees also what only done cells rest on: features, models, descriptors, decoded images …
    """
    from bench.clean import clean as clean_folder

    with user_errors():
        clean_folder(runs, everything=everything, dry_run=dry_run)


@click.command()
@click.argument("key")
@RUNS
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def show(key: str, runs: Path, as_json: bool) -> None:
    """Show everything about one cell: numbers, protocol, environment, and the chain of stages.

    KEY is the beginning of its key (bench status shows them), or words that only its label has.
    """
    from bench.show import show_cell

    with user_errors():
        show_cell(key, runs, as_json=as_json)


COMMANDS = (merge, clean, show)
