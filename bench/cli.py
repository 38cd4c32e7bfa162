"""The command line: reads options, calls one function per command, turns errors into exit codes.

Imports only click at once: --help answers in a fraction of a second, and report needs no torch.
"""

from __future__ import annotations

from pathlib import Path

import click

from bench import completion
from bench.check_cli import COMMANDS as CHECK_COMMANDS
from bench.data_cli import data_group
from bench.folder_cli import COMMANDS as FOLDER_COMMANDS
from bench.options import DATA, FORMAT, OUTPUT, RUNS, finite, user_errors
from bench.report_cli import COMMANDS as REPORT_COMMANDS

AXIS_WORDS = click.argument("words", nargs=-1, shell_complete=completion.axis_words)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="retrieval-bench", prog_name="bench")
def main() -> None:
    """Benchmark and ablate image-retrieval descriptors: ViT or ConvNet, pooling, loss, size.

    \b
    bench run --matrix dims=128,384 backbone=deit_s,resnet50
    bench report --format latex
    """


@main.command()
@AXIS_WORDS
@click.option("--matrix", is_flag=True, help="Marks the axes that follow; may be left out.")
@click.option("--preset", shell_complete=completion.presets, help="Start from a named matrix.")
@click.option("--twins", is_flag=True, help="The preset on drawn stand-ins of its datasets.")
@click.option("--exclude", multiple=True, metavar='"AXIS=V …"', help="Drop cells that match all.")
@click.option("--only", multiple=True, metavar='"AXIS=V …"', help="Keep cells that match all.")
@click.option("--shard", metavar="I/N", help="The I-th of N parts that share no expensive work.")
@click.option("--retry-failed", is_flag=True, help="Only what failed; without axes, all of RUNS.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="The first N that are not done."
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@RUNS
@DATA
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto, cpu or cuda:N; a worker for each with commas, a+b train together.",
)
@click.option("--force", is_flag=True, help="Compute again what is there, from the start.")
@click.option("--keep-going/--fail-fast", default=True, show_default=True)
@click.option("--skip-bad-images", is_flag=True, help="Leave unreadable images out, counted.")
@click.option(
    "--cache-gb",
    type=click.FloatRange(min=0, max=1e6),
    callback=finite,
    default=20,
    show_default=True,
    help="Most room for decoded images under --runs; 0: none are kept.",
)
@click.option(
    "--track",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.trackers,
    help="Also tell tensorboard or wandb (offline) of trainings and results; repeatable.",
)
@click.option("--quiet", is_flag=True, help="No progress, no table.")
def run(  # noqa: PLR0913 - one parameter per option
    words: tuple[str, ...],
    matrix: bool,
    preset: str | None,
    twins: bool,
    exclude: tuple[str, ...],
    only: tuple[str, ...],
    shard: str | None,
    retry_failed: bool,
    limit: int | None,
    dry_run: bool,
    runs: Path,
    data: Path,
    device: str,
    force: bool,
    keep_going: bool,
    skip_bad_images: bool,
    cache_gb: float,
    track: tuple[str, ...],
    quiet: bool,
) -> None:
    """Run every cell of a matrix: AXIS=VALUE[,VALUE…] …

    \b
    Values may be globs (backbone='deit_*'), ranges of whole numbers (dims=32..512:x2),
    any timm model (backbone=timm:NAME) and your own images (dataset=folder:PATH).
    The first axis varies slowest. What is done is not done again; what failed is.
    """
    from bench.execution.command import Request, run_matrix, show_plan
    from bench.selection import Typed, choose, read_selection
    from bench.tracking import check_trackers
    from registry.losses import check_installed

    with user_errors():
        check_trackers(track)
        wanted = read_selection(only=only, shard=shard, retry_failed=retry_failed, limit=limit)
        typed = Typed(words, preset, exclude, skip_bad_images, twins)
        chosen = choose(typed, wanted, runs, data, force=force)
        if chosen.said and (dry_run or not quiet):
            click.echo(chosen.said, err=not dry_run)
        if chosen.nothing:
            return
        plan = chosen.plan
        for training in plan.trainings():
            check_installed(training.training.loss if training.training else "none")
        if dry_run:
            show_plan(plan, runs, data)
            return
        request = Request(
            runs=runs,
            data=data,
            device=device,
            force=force,
            keep_going=keep_going,
            quiet=quiet,
            cache_gb=cache_gb,
            track=track,
            preset=preset,
        )
        raise SystemExit(run_matrix(plan, request))


@main.command("list")
@click.argument("axis", required=False, shell_complete=completion.axes)
def list_(axis: str | None) -> None:
    """List the axes, or the values of one AXIS with their facts."""
    from bench.listing import show_axes, show_axis

    with user_errors():
        show_axis(axis) if axis else show_axes()


@main.command()
@RUNS
@DATA
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for scripts.")
def status(runs: Path, data: Path, as_json: bool) -> None:
    """Show what became of every cell: done, running, failed (why), stale (why) or pending.

    Stale is what an input or this program's version of a stage has changed under since.
    """
    from bench.listing import print_states, show_states
    from bench.status import states

    with user_errors():
        found = states(runs, data)
        print_states(found) if as_json else show_states(found, runs)


@main.command()
@click.argument("key")
@RUNS
@DATA
@FORMAT
@OUTPUT
def delta(key: str, runs: Path, data: Path, form: str, output: Path | None) -> None:
    """Score a report's stored descriptors as other code bases would: what a convention is worth.

    KEY is the name of a file in RUNS/reports, or its beginning; part of a label ("sop") lists
    those that it can be. Nothing is extracted or trained.
    """
    from bench.delta.command import run_delta

    with user_errors():
        run_delta(key, runs=runs, data=data, form=form, output=output)


main.add_command(data_group)
for command in (*REPORT_COMMANDS, *CHECK_COMMANDS, *FOLDER_COMMANDS):
    main.add_command(command)
