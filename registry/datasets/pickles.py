"""Pickles that datasets come with, loaded without running anything they ask for."""

import io
import pickle
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from registry.errors import WorkError


@contextmanager
def as_documented(path: Path) -> Iterator[None]:
    """Turn what reading of another structure raises into a WorkError."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        raise WorkError(
            f"{path} is not as its authors write it ({type(error).__name__}: {error}): "
            "fetch it again"
        ) from error


class _BuiltinsOnly(pickle.Unpickler):
    """An unpickler that looks up no name: lists, dicts, strings and numbers need none."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")


def load_builtins(path: Path, *, keys: Collection[str]) -> dict[str, Any]:
    """Load a dict of plain builtins with at least these keys; anything else is a WorkError.

    Strings that Python 2 pickled are read as Latin-1.
    """
    try:
        content = _BuiltinsOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except FileNotFoundError:
        raise WorkError(f"there is no {path}: is this the dataset's own folder?") from None
    except Exception as error:
        raise WorkError(
            f"{path} is not a list file of plain lists and numbers ({error}); nothing of it was "
            "run: fetch it again from its authors"
        ) from error
    missing = sorted(set(keys) - set(content if isinstance(content, dict) else ()))
    if missing:
        raise WorkError(f"{path} has no {' and no '.join(missing)}: fetch it again")
    return dict(content)
