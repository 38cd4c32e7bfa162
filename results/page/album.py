"""Album: the images of a page, each embedded once, until there is no room for more."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from results.gallery import SAME_DESCRIPTOR
from results.thumbnails import Located, same_image, thumbnail

Locate = Callable[[str, str], Located | None]
MOST_SIGNS = 200
"""Of a name: a longer one is cut."""
OF_AN_IMAGE = 32
"""Bytes of an image beside its names and its picture."""
NEARLY_ONE = 0.9999
"""Similarity below which two images are not compared: equal pixels have equal descriptors."""


class Wanted(NamedTuple):
    """An image that is to be shown, and how."""

    dataset: str
    path: str
    upright: bool = False
    boxed: bool = False
    """Whether the box of a query is drawn."""


class Album:
    """Images by number, while a page has room for them.

    Every image that is not there, or not an image, is an entry without a picture; the same file
    under two names, or in two datasets, is one picture.
    """

    def __init__(self, room: int, locate: Callable[[str, str], Path | None] | Locate) -> None:
        self.images: list[dict[str, Any]] = []
        self.pictures: list[str] = []
        self.missing = 0
        self._room = room
        self._kept = 0
        self._locate = locate
        self._numbers: dict[Wanted, int] = {}
        self._made: dict[Wanted, tuple[dict[str, Any], str]] = {}
        self._places: dict[str, int] = {}
        self._copies: dict[tuple[Path, Path], str] = {}

    def allow(self, share: float) -> None:
        """Let a share of the room that is left be taken from now on."""
        self._kept = int(self._room * (1 - share))

    def take(self, wanted: Sequence[Wanted], classes: dict[str, str], others: int) -> bool:
        """Take images in, and so many bytes that are shown with them; False if it is too much."""
        new = [one for one in dict.fromkeys(wanted) if one not in self._numbers]
        for one in new:
            if one not in self._made:
                self._made[one] = self._make(one, classes.get(one.path, ""))
        pictures = {self._made[one][1] for one in new} - self._places.keys()
        needed = others + sum(len(picture) + 3 for picture in pictures)
        needed += sum(len(json.dumps(self._made[one][0])) + OF_AN_IMAGE for one in new)
        if needed > self._room - self._kept:
            return False
        self._room -= needed
        for one in new:
            self._numbers[one] = len(self.images)
            self.images.append(self._entry(*self._made[one]))
        return True

    def _entry(self, entry: dict[str, Any], picture: str) -> dict[str, Any]:
        """An image with the place of its picture, if there is one."""
        if not picture:
            self.missing += 1
            return entry
        if picture not in self._places:
            self._places[picture] = len(self.pictures)
            self.pictures.append(picture)
        return {**entry, "picture": self._places[picture]}

    def number(self, wanted: Wanted) -> int:
        """The number of an image that was taken in."""
        return self._numbers[wanted]

    def copy(self, query: Wanted, other: Wanted, similarity: float) -> str:
        """Say in what two images are one: file, pixels, descriptor; nothing if they are not."""
        found = ""
        if similarity >= NEARLY_ONE:
            a, b = (self._located(one) for one in (query, other))
            if a and b:
                found = self._compared(a.path, b.path)
        return found or ("descriptor" if similarity >= SAME_DESCRIPTOR else "")

    def _compared(self, a: Path, b: Path) -> str:
        if (a, b) not in self._copies:
            self._copies[a, b] = same_image(a, b)
        return self._copies[a, b]

    def _located(self, wanted: Wanted) -> Located | None:
        found = self._locate(wanted.dataset, wanted.path)
        return Located(found) if isinstance(found, Path) else found

    def _make(self, wanted: Wanted, name: str) -> tuple[dict[str, Any], str]:
        """What is said of an image, and its JPEG in base64; "" where there is none."""
        entry = {"path": wanted.path[-MOST_SIGNS:]}
        if name:
            entry["class"] = name[:MOST_SIGNS]
        found = self._located(wanted)
        if found is None:
            return entry, ""
        box = found.box if wanted.boxed else None
        content = thumbnail(found.path, upright=wanted.upright, box=box)
        return entry, base64.b64encode(content).decode() if content else ""
