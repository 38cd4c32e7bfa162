"""Reading the list files that datasets come with."""

from pathlib import Path
from typing import NamedTuple

from registry.errors import WorkError


class Line(NamedTuple):
    """One entry of a list."""

    fields: tuple[str, ...]
    number: int
    """In its file, from 1."""


def read_lines(path: Path, *, fields: int, header: int = 0) -> list[Line]:
    """Split each line after the header into its fields; blanks pad, the last field keeps its own.

    A byte-order mark, CRLF line ends and empty lines are no content. Raises WorkError for a file
    that is missing, empty or no UTF-8, and for a line with too few fields.
    """
    lines = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if number <= header or not line.strip():
            continue
        found = tuple(line.strip().split(maxsplit=fields - 1))
        if len(found) < fields:
            raise WorkError(
                f"{path}, line {number}: {len(found)} fields, expected {fields}: fetch it again"
            )
        lines.append(Line(found, number))
    if not lines:
        raise WorkError(f"{path} lists nothing: fetch it again")
    return lines


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise WorkError(f"there is no {path}: is this the dataset's own folder?") from None
    except OSError as error:
        raise WorkError(f"cannot read {path} ({error.strerror or error})") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise WorkError(f"{path}, line {line} is no UTF-8 text: fetch it again") from error


def place_in_lists(root: Path, path: str) -> str:
    """Say which list names an image: " (listed in FILE, line N)"; nothing where none is found.

    root is the folder of the images; lists lie in it, beside it or in Eval/.
    """
    for folder in (root, root.parent, root.parent / "Eval"):
        for file in sorted(folder.glob("*.txt")):
            with file.open(encoding="utf-8-sig", errors="replace") as lines:
                for number, line in enumerate(lines, start=1):
                    if path in line.split():
                        return f" (listed in {file}, line {number})"
    return ""
