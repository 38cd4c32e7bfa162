"""Reading the list files that datasets come with."""

from pathlib import Path

from registry.errors import WorkError


def read_lines(path: Path, *, fields: int, header: int = 0) -> list[tuple[str, ...]]:
    """Split each line after the header into its fields; blanks pad, the last field keeps its own.

    A byte-order mark, CRLF line ends and empty lines are no content. Raises WorkError for a
    missing file and for a line with too few fields.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise WorkError(f"there is no {path}: is this the dataset's own folder?") from None
    rows = []
    for index, line in enumerate(text.splitlines()):
        if index < header or not line.strip():
            continue
        row = tuple(line.strip().split(maxsplit=fields - 1))
        if len(row) < fields:
            raise WorkError(f"{path}, line {index + 1}: {len(row)} fields, expected {fields}")
        rows.append(row)
    return rows
