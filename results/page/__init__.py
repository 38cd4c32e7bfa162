"""The page: one HTML file with the table, plots and galleries of finished cells. Needs no network.

view.py gathers the table, curves.py the trainings, pictures.py the galleries, as one JSON;
document.py puts it into template.html with page.css and the scripts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.files import write_text
from results.page.album import Album, Locate
from results.page.curves import curves_of
from results.page.document import document
from results.page.pictures import pictures_of
from results.page.view import view_of

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 2_900_000
"""Of the file: pictures are left out, and the page says so, before it grows beyond."""
LEAST_FOR_PICTURES = 400_000
"""Bytes that curves leave to pictures."""

__all__ = ["write_page"]


def write_page(
    frame: pd.DataFrame,
    output: Path,
    *,
    runs: Path,
    locate: Callable[[str, str], Path | None] | Locate,
    versus: tuple[str, str] | None = None,
    title: str = "retrieval-bench",
) -> None:
    """Write the page of some reports (results.load) in one step.

    runs: where the trainings of the reports were logged. locate: dataset and image path -> its
    file, or results.thumbnails.Located with the box of a landmark query; None where it is not
    there. versus: the two rows that are compared at first, as in bench compare. Raises
    ResultsError where there is no report or no such row, and where the file cannot be written.
    """
    view = view_of(frame)
    content: dict[str, Any] = {"title": title, **view.content(), "curves": []}
    room = MOST_BYTES - len(document(content, title)) - LEAST_FOR_PICTURES
    content["curves"] = curves_of(view, runs, room)
    album = Album(MOST_BYTES - len(document(content, title)), locate)
    content["pictures"] = pictures_of(view, album, versus)
    write_text(document(content, title), output)
