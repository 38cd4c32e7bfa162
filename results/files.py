"""Files: what people asked to be written, in one step."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from results.store import ResultsError


def write_text(text: str, output: Path) -> None:
    """Write a file in one step, in UTF-8; raises ResultsError where it cannot be written."""
    write_bytes(text.encode(), output)


def write_bytes(content: bytes, output: Path) -> None:
    """Write a file in one step; raises ResultsError where it cannot be written.

    A pipe or a device (/dev/stdout) is written to, and a link's own file replaced.
    """
    try:
        if output.exists() and not output.is_file():
            output.write_bytes(content)
        else:
            _replace(content, output.resolve())
    except OSError as error:
        raise ResultsError(f"cannot write {output}: {error.strerror or error}") from error


def _replace(content: bytes, output: Path) -> None:
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=output.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, output)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
