"""The five twins and their shared training set: one row each."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from registry.datasets import cub, drawing, folder_layout, inshop, revisited, sop
from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.drawing import Kind
from registry.datasets.split import Split
from registry.datasets.synthetic import CategoryTwin, LandmarkTwin, draw_here
from registry.datasets.writers import (
    Writer,
    write_cub,
    write_inshop,
    write_mixture,
    write_revisited,
    write_sop,
)
from registry.errors import WorkError
from registry.publish import publish

MANIFEST = "manifest.json"
DEFAULTS = {
    "train": "twins",
    "weights": "scratch",
    "loss": "contrastive",
    "recipe": "twin",
    "resolution": "64",
}

SOP = CategoryTwin(
    kind="product", seed=11, train_classes=40, train_images=160, test_classes=80, test_images=320
)
CUB = CategoryTwin(
    kind="bird", seed=12, train_classes=20, train_images=240, test_classes=20, test_images=240
)
INSHOP = CategoryTwin(
    kind="garment",
    seed=13,
    train_classes=40,
    train_images=200,
    test_classes=60,
    test_images=300,
    query_images=120,
)
ROXFORD = LandmarkTwin(
    name="roxford5k", seed=14, landmarks=11, queries=33, views=176, distractors=100
)
RPARIS = LandmarkTwin(name="rparis6k", seed=15, landmarks=11, queries=33, views=264, distractors=80)


def _shared(kind: Kind, seed: int, classes: int) -> CategoryTwin:
    return CategoryTwin(
        kind=kind,
        seed=seed,
        train_classes=classes,
        train_images=8 * classes,
        test_classes=0,
        test_images=0,
    )


SHARED = (
    _shared("product", 21, 40),
    _shared("bird", 22, 16),
    _shared("garment", 23, 16),
    _shared("landmark", 24, 24),
)


def draw(data: Path, *, name: str, identity: dict[str, object], write: Writer) -> Path:
    """Draw a twin into the data folder unless it is there; verify it by hash if it is.

    It appears under its name only when complete. Raises WorkError where files were changed, and
    where the folder may not be written.
    """
    text = json.dumps(identity, sort_keys=True)
    root = data / "twins" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    if not root.is_dir():
        try:
            publish(root, lambda unfinished: _draw(unfinished, write))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            cure = "free some space" if full else "name a folder you may write with --data"
            raise WorkError(
                f"cannot draw {name} in {data} ({error.strerror or error}): {cure}"
            ) from error
    _verify(root)
    return root


def _draw(root: Path, write: Writer) -> None:
    write(root, draw_here)
    (root / MANIFEST).write_text(json.dumps(_hashes(root), indent=1))


def _hashes(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _verify(root: Path) -> None:
    manifest = root / MANIFEST
    expected = json.loads(manifest.read_text()) if manifest.is_file() else {}
    found = _hashes(root)
    changed = sorted(
        path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)
    )
    if changed:
        raise WorkError(
            f"the twin in {root} was altered: {len(changed)} files differ from those drawn, "
            f"the first is {changed[0]}; delete the folder and it is drawn again"
        )


def _twin(  # noqa: PLR0913 - what a row of a twin says
    *,
    name: str,
    title: str,
    spec: CategoryTwin | LandmarkTwin | tuple[CategoryTwin, ...],
    write: Writer,
    read: Callable[[Path], Split],
    transform: str,
    counts: Counts,
    ks: tuple[int, ...] = (),
) -> Dataset:
    """Make a row."""
    parts = spec if isinstance(spec, tuple) else (spec,)
    identity: dict[str, object] = {
        "twin": name,
        "spec": [asdict(part) for part in parts],
        "drawing": drawing.VERSION,
    }
    return Dataset(
        name=name,
        title=title,
        measure="revisited" if isinstance(spec, LandmarkTwin) else "recall",
        ks=ks,
        transform=transform,
        prepare=partial(draw, name=name, identity=identity, write=write),
        parse=read,
        identity=identity,
        counts=counts,
        pinned=True,
        is_twin=True,
        defaults=DEFAULTS,
    )


TWINS: tuple[Dataset, ...] = (
    _twin(
        name="twin-sop",
        title="SOP twin",
        spec=SOP,
        write=lambda root, draw: write_sop(root, SOP, draw),
        read=sop.read,
        transform="short_center",
        counts=SOP.counts,
        ks=sop.KS,
    ),
    _twin(
        name="twin-cub",
        title="CUB twin",
        spec=CUB,
        write=lambda root, draw: write_cub(root, CUB, draw),
        read=cub.read,
        transform="short_center",
        counts=CUB.counts,
        ks=cub.KS,
    ),
    _twin(
        name="twin-inshop",
        title="In-Shop twin",
        spec=INSHOP,
        write=lambda root, draw: write_inshop(root, INSHOP, draw),
        read=inshop.read,
        transform="short_center",
        counts=INSHOP.counts,
        ks=inshop.KS,
    ),
    _twin(
        name="twin-roxford",
        title="ROxford twin",
        spec=ROXFORD,
        write=lambda root, draw: write_revisited(root, ROXFORD, draw),
        read=partial(revisited.read, name=ROXFORD.name),
        transform="square",
        counts=ROXFORD.counts,
    ),
    _twin(
        name="twin-rparis",
        title="RParis twin",
        spec=RPARIS,
        write=lambda root, draw: write_revisited(root, RPARIS, draw),
        read=partial(revisited.read, name=RPARIS.name),
        transform="square",
        counts=RPARIS.counts,
    ),
)
SHARED_TRAINING_SET: Dataset = _twin(
    name="twins",
    title="twins' shared training set",
    spec=SHARED,
    write=lambda root, draw: write_mixture(root, SHARED, draw),
    read=folder_layout.read_training,
    transform="short_center",
    counts=Counts(
        train_images=sum(part.train_images for part in SHARED),
        train_classes=sum(part.train_classes for part in SHARED),
    ),
)
