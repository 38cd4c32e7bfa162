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
