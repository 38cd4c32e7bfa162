"""What the commands share: options, and errors turned into messages and exit codes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from registry.errors import BenchError
    from results.store import ResultsError

Command = Callable[..., Any]

RUNS = click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder of artifacts and reports.",
)
DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: Path(os.environ.get("BENCH_DATA", "data")),
    show_default="$BENCH_DATA or data",
    help="Folder of datasets; twins are drawn into it.",
)
TABLE_FORMATS = ("rich", "markdown", "latex", "csv", "json")


def _format(*forms: str) -> Callable[[Command], Command]:
    return click.option(
        "--format", "form", type=click.Choice(forms), default="rich", show_default=True
    )


FORMAT = _format(*TABLE_FORMATS)
PAGE_FORMAT = _format(*TABLE_FORMATS, "html")
STRICT = click.option(
    "--strict", is_flag=True, help="Refuse numbers of different protocols: exit code 1."
)
OUTPUT = click.option(
    "-o", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write here."
)

INTERRUPTED = 130


def names(text: str) -> list[str]:
    """Split what commas separate."""
    return [name for name in text.split(",") if name]


class Failure(click.ClickException):
    """An error with its own exit code: 2 for a wrong request, 1 for failed work."""

    def __init__(self, error: BenchError | ResultsError) -> None:
        super().__init__(str(error))
        vars(self)["exit_code"] = error.exit_code


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn our errors into a message and an exit code, without a traceback."""
    from registry.errors import BenchError
    from results.store import ResultsError

    try:
        yield
    except (BenchError, ResultsError) as error:
        raise Failure(error) from error
    except KeyboardInterrupt:
        click.echo("\ninterrupted: the same command goes on, or starts again", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """Refuse a number that is none."""
    if math.isnan(value):
        raise click.BadParameter("is no number", context, parameter)
    return value
