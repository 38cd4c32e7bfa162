"""A sub-folder per class: reading the images, and the splits such a folder can have."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from registry.datasets.split import Images, Split, labelled, leave_one_out
from registry.errors import UsageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})


def class_images(root: Path) -> dict[str, list[str]]:
    """Class -> its image files relative to root, both in alphabetical order.

    Raises UsageError for a folder without class sub-folders and for a class without an image.
    """
    classes = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    if not classes:
        raise UsageError(
            f"{root} has no sub-folders: put each class's images in a sub-folder of its own"
        )
    images = {
        folder.name: sorted(
            path.relative_to(root).as_posix()
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and path.name[0] != "."  # what macOS leaves beside an image
            and (path.is_file() or path.is_symlink())
        )
        for folder in classes
    }
    empty = [name for name, paths in images.items() if not paths]
    if empty:
        raise UsageError(
            f"{root}: {len(empty)} class folders have no image: {', '.join(empty[:5])}; "
            f"add images ({' '.join(sorted(SUFFIXES))}) or delete the folders"
        )
    return images


def as_images(root: Path, classes: dict[str, list[str]]) -> Images:
    """List the images of some classes."""
    return labelled(
        root,
        [path for paths in classes.values() for path in paths],
        [name for name, paths in classes.items() for _ in paths],
    )


def read_flat(root: Path) -> Split:
    """Evaluate every image; there is no training split."""
    return leave_one_out(train=None, evaluated=as_images(root, class_images(root)))


def read_train_test(root: Path) -> Split:
    """Train on train/, evaluate test/."""
    train, test = root / "train", root / "test"
    return leave_one_out(
        train=as_images(train, class_images(train)),
        evaluated=as_images(test, class_images(test)),
    )


def read_halves(root: Path) -> Split:
    """Train on the first half of the classes in alphabetical order, evaluate the others."""
    classes = list(class_images(root).items())
    if len(classes) < 2:
        raise UsageError(f"{root} has one class: @split=classes needs at least two")
    half = len(classes) // 2
    return leave_one_out(
        train=as_images(root, dict(classes[:half])),
        evaluated=as_images(root, dict(classes[half:])),
    )


def read_training(root: Path) -> Split:
    """Train on every image; there is nothing to evaluate."""
    nothing = np.empty(0, dtype=np.int64)
    return Split(
        train=as_images(root, class_images(root)),
        evaluated=labelled(root, [], []),
        queries=nothing,
        gallery=nothing,
    )
