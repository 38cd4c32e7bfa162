"""dataset=folder:PATH, the user's own images: a sub-folder per class, every image a query.

folder:PATH                 train/ and test/ inside are a training and an evaluation split;
                            without them everything is evaluated and nothing trains
folder:PATH@split=classes   the first half of the classes trains, the second is evaluated
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from registry.datasets import folder_layout
from registry.datasets.counts import counts_of
from registry.datasets.dataset import Dataset
from registry.datasets.split import Images, Split
from registry.errors import UsageError

PREFIX = "folder:"
KS = (1, 2, 4, 8, 10, 100)
SPLITS = ("classes",)


@lru_cache(maxsize=64)
def folder_dataset(text: str) -> Dataset:
    """Look into the folder and make its row; raises UsageError where it cannot be one."""
    path, at, split = text.removeprefix(PREFIX).partition("@split=")
    root = Path(path).expanduser().absolute()
    if not path or not _is_folder(root):
        near = _near(root) if path else ""
        raise UsageError(f"dataset={text}: there is no folder {path or root}{near}")
    root = root.resolve()
    if at and split not in SPLITS:
        raise UsageError(f"dataset={text}: unknown split {split!r} (known: {', '.join(SPLITS)})")
    read = _reader(root, by_classes=bool(at))
    try:
        found = read(root)
        content = _content(found)
    except OSError as error:
        raise UsageError(
            f"dataset={text}: cannot read {error.filename} ({error.strerror}): mend or remove it"
        ) from error
    return Dataset(
        name=f"{PREFIX}{root}{at}{split}",
        title=root.name + (f"@{split}" if at else ""),
        measure="recall",
        ks=KS,
        transform="short_center",
        prepare=lambda data: root,
        parse=read,
        identity={"folder": content, "exif": "applied"},
        counts=counts_of(found),
        pinned=True,
        upright=True,
        defaults={"train": "own", "recipe": "photos"},
    )


def _reader(root: Path, *, by_classes: bool) -> Callable[[Path], Split]:
    has_parts = (root / "train").is_dir() and (root / "test").is_dir()
    if by_classes and has_parts:
        raise UsageError(
            f"{root} has train/ and test/ inside, which are its split: leave @split=classes out"
        )
    if by_classes:
        return folder_layout.read_halves
    if has_parts:
        return folder_layout.read_train_test
    return folder_layout.read_flat


def _content(split: Split) -> dict[str, str]:
    return {
        "train": _digest([split.train] if split.train else []),
        "evaluated": _digest([split.evaluated]),
    }


def _digest(parts: Iterable[Images]) -> str:
    """Hash the list, the classes and every image's bytes: an edited file is another dataset."""
    digest = hashlib.sha256()
    for images in parts:
        for path, label in zip(images.paths, images.labels, strict=True):
            content = hashlib.sha256((images.root / path).read_bytes()).hexdigest()
            digest.update(os.fsencode(f"{path}\0{label}\0{content}\n"))
    return digest.hexdigest()[:32]


def _is_folder(root: Path) -> bool:
    try:
        return root.is_dir()
    except OSError:  # a name longer than the system allows
        return False


def _near(root: Path) -> str:
    import difflib

    parent = root.parent
    if not _is_folder(parent):
        return ""
    names = [path.name for path in parent.iterdir() if path.is_dir()]
    near = difflib.get_close_matches(root.name, names, n=1)
    return f"; did you mean {parent / near[0]}?" if near else ""
