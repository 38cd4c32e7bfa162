"""Table: an ordered, immutable mapping from a variant's name to its row."""

import difflib
import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from registry.errors import UsageError


class Row(Protocol):
    """Anything with a name can be a row."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""


R = TypeVar("R", bound=Row)


class Table(Mapping[str, R]):
    """Rows by name, in the order written; refuses two rows of one name, suggests near names."""

    def __init__(self, axis: str, rows: Iterable[R]) -> None:
        self.axis = axis
        self._rows: dict[str, R] = {}
        for row in rows:
            if row.name in self._rows:
                raise ValueError(f"two {axis} rows are called {row.name!r}")
            self._rows[row.name] = row

    def __getitem__(self, name: str) -> R:
        """Return the row, or raise UsageError naming the nearest known names."""
        if name not in self._rows:
            raise UsageError(unknown(self.axis, name, self._rows))
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def matching(self, pattern: str) -> list[str]:
        """Names that match a glob, in table order; none is an error."""
        names = [name for name in self if fnmatch.fnmatchcase(name, pattern)]
        if not names:
            raise UsageError(unknown(self.axis, pattern, self._rows))
        return names


def unknown(axis: str, given: str, known: Iterable[str]) -> str:
    """Say what was given, the nearest known names, and all known ones."""
    names = list(known)
    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(given.lower().strip("*"), by_lower, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(by_lower[name]) for name in near)}?" if near else ""
    return f"unknown {axis} {given!r}{hint} (known: {', '.join(names)})"
