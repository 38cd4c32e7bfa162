"""Revisited Oxford and Paris (Radenovic et al. 2018, arXiv 1803.11285), as distributed.

``gnd_<name>.pkl``: ``imlist``, ``qimlist`` and per query ``bbx``, ``easy``, ``hard``, ``junk``
(positions in imlist). Images are ``jpg/<name>.jpg``. Queries are cropped to bbx in native pixels
before any resizing, as revisitop's example_process_images.py does.
"""

from pathlib import Path
from typing import Any

import numpy as np

from registry.datasets.pickles import as_documented, load_builtins
from registry.datasets.split import Box, Graded, Positions, Split, labelled
from registry.errors import WorkError

PARENTS = (".", "test", "datasets", "revisitop", "data/test", "data/datasets")
"""Folders that <name> is found under: the repositories of the field unpack it there."""


def folders(name: str) -> tuple[str, ...]:
    """Usual places of <name>, its plain name first."""
    return (name, *(f"{parent}/{name}" for parent in PARENTS[1:]))


def read(root: Path, *, name: str) -> Split:
    """Read gnd_<name>.pkl; evaluated images are the queries, then the gallery."""
    path = root / f"gnd_{name}.pkl"
    truth = load_builtins(path, keys=("imlist", "qimlist", "gnd"))
    with as_documented(path):
        return _split(root, path, truth)


def _split(root: Path, path: Path, truth: dict[str, Any]) -> Split:
    queries, gallery = truth["qimlist"], truth["imlist"]
    entries = [_entry(path, index, entry) for index, entry in enumerate(truth["gnd"])]
    if len(entries) != len(queries):
        raise WorkError(f"{path}: {len(queries)} queries, {len(entries)} judged: fetch it again")
    first = len(queries)
    graded = {
        index: Graded(
            *(_positions(path, entry[part], first, gallery) for part in ("easy", "hard", "junk"))
        )
        for index, entry in enumerate(entries)
    }
    return Split(
        train=None,
        evaluated=labelled(
            root / "jpg",
            [f"{image}.jpg" for image in [*queries, *gallery]],
            [],
            boxes={index: _box(entry) for index, entry in enumerate(entries)},
        ),
        queries=np.arange(first, dtype=np.int64),
        gallery=np.arange(len(gallery), dtype=np.int64) + first,
        graded=graded,
    )


def _box(entry: dict[str, Any]) -> Box:
    left, top, right, bottom = map(float, entry["bbx"])
    return left, top, right, bottom


def _entry(path: Path, index: int, entry: Any) -> dict[str, Any]:
    wanted = {"bbx", "easy", "hard", "junk"}
    if not isinstance(entry, dict) or not wanted <= entry.keys() or len(entry["bbx"]) != 4:
        raise WorkError(
            f"{path}: query {index} has no bbx of four numbers, easy, hard and junk "
            "(the ground truth of the older Oxford5k or Paris6k has not): fetch the revisited one"
        )
    return dict(entry)


def _positions(path: Path, listed: list[int], first: int, gallery: list[str]) -> Positions:
    positions = np.array(listed, dtype=np.int64).reshape(-1)
    if len(positions) and not 0 <= positions.min() <= positions.max() < len(gallery):
        raise WorkError(f"{path} judges image {positions.max()} of {len(gallery)}: fetch it again")
    return positions + first
