"""dataset=twin:PATH, a twin of any size that bench data twin wrote, in a real dataset's layout."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from registry.datasets import drawing
from registry.datasets.counts import Counts, counts_of
from registry.datasets.dataset import Dataset
from registry.datasets.layouts import LAYOUTS, Layout
from registry.datasets.official import TWIN_MARKER, fingerprint
from registry.datasets.real import REAL
from registry.datasets.split import Split
from registry.datasets.synthetic import CategoryTwin, Draw, Order, Twin
from registry.datasets.twins import DEFAULTS
from registry.errors import UsageError
from registry.publish import publish

PREFIX = "twin:"


def sized(twin: Twin, *, classes: int | None, images: int | None, side: int | None) -> Twin:
    """Change a twin's size: classes (or landmarks) in each part, images of each, pixels a side."""
    if side is not None:
        twin = replace(twin, side=side)
    if isinstance(twin, CategoryTwin):
        return _sized_classes(twin, classes, images)
    landmarks = classes if classes is not None else twin.landmarks
    if twin.landmarks == 0:  # distractors alone
        return replace(twin, distractors=(classes or 1) * (images or twin.distractors))
    each = images if images is not None else math.ceil(twin.views / twin.landmarks)
    queries = math.ceil(landmarks * twin.queries / twin.landmarks)
    return replace(
        twin,
        landmarks=landmarks,
        queries=queries,
        views=landmarks * each,
        distractors=landmarks * each,
    )


def _sized_classes(twin: CategoryTwin, classes: int | None, images: int | None) -> CategoryTwin:
    train = classes if classes is not None else twin.train_classes
    test = classes if classes is not None else twin.test_classes
    each = images or math.ceil(twin.train_images / twin.train_classes)
    queries = None if twin.query_images is None else test * max(1, each // 2)
    return replace(
        twin,
        train_classes=train,
        train_images=train * each,
        test_classes=test,
        test_images=test * each,
        query_images=queries,
    )


def write_twin(layout: Layout, twin: Twin, out: Path, draw: Draw) -> None:
    """Draw a twin into a new folder, which appears complete or not at all. Raises OSError."""

    def write(root: Path) -> None:
        layout.write(root, twin, draw)
        spec = {"spec": asdict(twin)}
        _mark(root, layout, spec, counts_of(layout.read(root)))

    publish(out, write)


def write_twin_of_lists(layout: Layout, lists: Path, out: Path, side: int, draw: Draw) -> None:
    """Copy a real dataset's list files and draw an image for every entry.

    Judgements of landmarks are the lists' own; what is drawn does not follow them.
    """
    split = layout.read(lists)
    twin = replace(layout.small, side=side)

    def write(root: Path) -> None:
        for name in layout.lists:
            if (lists / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(lists / name, root / name)
        if (root / "Eval").is_dir():  # In-Shop's images lie beside it, in Img
            (root / "Img").mkdir()
        draw(list(_listed(layout.read(root), twin)))
        spec = {"lists": fingerprint(split), "side": side}
        _mark(root, layout, spec, counts_of(split))

    publish(out, write)


def _listed(split: Split, twin: Twin) -> Iterator[Order]:
    first = 0
    for images in filter(None, (split.train, split.evaluated)):
        labels = _landmarks(split) if split.graded else np.maximum(images.labels, 0)
        seen = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int64)
        for position, path in enumerate(images.paths):
            label = int(labels[position])
            box = (images.boxes or {}).get(position, (0, 0, 1, 1))
            least = (math.ceil(box[2]), math.ceil(box[3]))
            yield Order(images.root / path, twin, first + label, int(seen[label]), least)
            seen[label] += 1
        first += len(seen)


def _landmarks(split: Split) -> np.ndarray:
    """Number what each image shows: a query's landmark, or itself."""
    shown = np.arange(len(split.evaluated), dtype=np.int64)
    for query, truth in reversed(list((split.graded or {}).items())):
        for part in (truth.easy, truth.hard, truth.junk):
            shown[part] = query
    return shown


def _mark(root: Path, layout: Layout, spec: Mapping[str, object], counts: Counts) -> None:
    content = {
        "dataset": layout.name,
        "drawing": drawing.VERSION,
        "counts": asdict(counts),
        **spec,
    }
    (root / TWIN_MARKER).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


@lru_cache(maxsize=64)
def twin_dataset(text: str) -> Dataset:
    """Make the row of a twin's folder; raises UsageError where it is none."""
    root = Path(text.removeprefix(PREFIX)).expanduser().absolute()
    try:
        marker = json.loads((root / TWIN_MARKER).read_text())
        layout, real = LAYOUTS[marker["dataset"]], REAL[marker["dataset"]]
        counts = Counts(**marker["counts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"dataset={text}: {root} holds no twin ({type(error).__name__} in {TWIN_MARKER}): "
            "bench data twin draws one"
        ) from error
    return replace(
        real,
        name=f"{PREFIX}{root.resolve()}",
        title=f"{real.title} twin {root.name}",
        prepare=lambda data: root,
        parse=layout.read,
        official=False,
        lists=None,
        identity={"twin": {key: marker[key] for key in sorted(marker)}},
        counts=counts,
        is_twin=True,
        defaults=DEFAULTS,
    )
