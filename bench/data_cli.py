"""bench data: list, fetch, verify and imitate datasets. Imports only click at once."""

from __future__ import annotations

from pathlib import Path

import click

from bench import completion
from bench.options import DATA, user_errors

NAMES = click.argument("names", nargs=-1, required=True, shell_complete=completion.datasets)
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes; all cores if not given."
)


@click.group("data")
def data_group() -> None:
    """List, fetch and verify datasets, or draw twins of them."""


@data_group.command("list")
@DATA
def list_(data: Path) -> None:
    """List the real datasets: their counts, and whether they are in the data folder."""
    from bench.datasets_command import show_datasets

    with user_errors():
        show_datasets(data)


@data_group.command()
@NAMES
@DATA
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the records; DATA/doctor if not given, where reports look for them.",
)
@WORKERS
@click.option("--json", "as_json", is_flag=True, help="Print the records instead of the page.")
def verify(
    names: tuple[str, ...], data: Path, out: Path | None, workers: int | None, as_json: bool
) -> None:
    """Examine datasets: lists, every image, duplicates, and what chance scores on them.

    \b
    NAME is a dataset, a twin, folder:PATH or twin:PATH. Exit code 1 where one is not OK.
    Stopped, the same command goes on where it was.
    """
    from bench.datasets_command import verify_datasets

    with user_errors():
        raise SystemExit(verify_datasets(names, data, out, workers=workers, as_json=as_json))


@data_group.command()
@NAMES
@DATA
@click.option("--mirror", metavar="URL", help="An address that has the same files, tried first.")
def get(names: tuple[str, ...], data: Path, mirror: str | None) -> None:
    """Fetch datasets into the data folder, or say what a person must fetch and where to put it.

    Stopped, the same command goes on where it was.
    """
    from bench.datasets_command import get_datasets

    with user_errors():
        get_datasets(names, data, mirror)


@data_group.command()
@click.argument("name", shell_complete=completion.datasets)
@click.option("--classes", type=click.IntRange(min=2), help="In each part; landmarks: of them.")
@click.option("--images", type=click.IntRange(min=2), help="Of each class; landmarks: views.")
@click.option("--true-counts", is_flag=True, help="As many of everything as the real one has.")
@click.option(
    "--lists",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The real dataset's folder: an image is drawn for each entry of its lists.",
)
@click.option("--side", type=click.IntRange(8, 1024), help="Pixels of an image's longer side.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
@WORKERS
def twin(  # noqa: PLR0913 - one parameter per option
    name: str,
    classes: int | None,
    images: int | None,
    true_counts: bool,
    lists: Path | None,
    side: int | None,
    out: Path,
    workers: int | None,
) -> None:
    """Draw a twin of dataset NAME at any scale, in its layout; measure it as dataset=twin:OUT."""
    from bench.twin_command import Scale, draw_twin

    with user_errors():
        scale = Scale(classes, images, true_counts, lists, side)
        draw_twin(name, scale, out, workers=workers)
