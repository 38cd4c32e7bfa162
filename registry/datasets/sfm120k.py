"""SfM-120k (Radenovic et al. 2018, arXiv 1711.02512): the training set for landmarks.

``retrieval-SfM-120k.pkl``: for ``train`` and ``val``, ``cids`` (images by the hash of their
content), ``cluster`` (the 3D model of each), ``qidxs`` and ``pidxs`` (pairs that see the same
points). Image ``cid`` is ``ims/<last two>/<two before>/<two before>/<cid>``, without an extension.
Some pairs are of an image with itself, which the authors know and left in.
"""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.official import find
from registry.datasets.pickles import as_documented, load_builtins
from registry.datasets.split import Images, Positions, Split, labelled
from registry.errors import WorkError

LIST = "retrieval-SfM-120k.pkl"
FOLDERS = (
    "train/retrieval-SfM-120k",
    "retrieval-SfM-120k",
    "data/train/retrieval-SfM-120k",
    "sfm120k",
    "SfM-120k",
)
KEYS = ("cids", "cluster", "qidxs", "pidxs")
COUNTS = Counts(train_images=91_642, train_classes=551)
"""Pairs are not counted: their number is known from memory only."""


def read(root: Path) -> Split:
    """Read the training part; there is nothing to evaluate."""
    train, pairs = read_part(root, "train")
    validation, _ = read_part(root, "val")
    nothing = np.empty(0, dtype=np.int64)
    return Split(
        train=train,
        evaluated=labelled(root, [], []),
        queries=nothing,
        gallery=nothing,
        pairs=pairs,
        validation=validation,
    )


def read_part(root: Path, part: Literal["train", "val"]) -> tuple[Images, Positions]:
    """Read a part: images with their 3D models as classes, and (P, 2) anchors and positives."""
    path = root / LIST
    database = load_builtins(path, keys=("train", "val"))[part]
    with as_documented(path):
        return _listed(root, path, part, database)


def _listed(root: Path, path: Path, part: str, database: Any) -> tuple[Images, Positions]:
    lists: dict[str, list[Any]] = {}
    for key in KEYS:
        if not isinstance(database, dict) or not isinstance(database.get(key), list | tuple):
            raise WorkError(f"{path}: {part} has no list {key}: fetch it again")
        lists[key] = list(database[key])
    cids = [str(cid) for cid in lists["cids"]]
    if len(cids) != len(lists["cluster"]) or len(lists["qidxs"]) != len(lists["pidxs"]):
        raise WorkError(f"{path}: the lists of {part} have different lengths: fetch it again")
    pairs = np.array([lists["qidxs"], lists["pidxs"]], dtype=np.int64).T.reshape(-1, 2)
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < len(cids):
        raise WorkError(f"{path}: {part} pairs image {pairs.max()} of {len(cids)}: fetch it again")
    folder = root / "ims" if (root / "ims").is_dir() else root
    images = labelled(folder, [image_path(cid) for cid in cids], [*map(str, lists["cluster"])])
    return images, pairs


def image_path(cid: str) -> str:
    """Return where an image lies under ims/."""
    return f"{cid[-2:]}/{cid[-4:-2]}/{cid[-6:-4]}/{cid}"


SFM120K = Dataset(
    name="sfm120k",
    title="SfM-120k",
    measure="recall",
    transform="square",
    prepare=partial(find, name="sfm120k", folders=FOLDERS, markers=(LIST,)),
    parse=read,
    official=True,
    identity={"dataset": "sfm120k", "part": "train"},
    counts=COUNTS,
)
