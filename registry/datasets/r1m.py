"""R1M, the distractors of revisited Oxford and Paris (Radenovic et al. 2018): dataset=roxford+r1m.

``revisitop1m.txt``: a path under ``jpg/`` in each line. No image of it shows a landmark of either
set, so all are irrelevant to every query.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.lists import read_lines
from registry.datasets.official import find
from registry.datasets.revisited import folders
from registry.datasets.split import Split, labelled
from registry.errors import UsageError

LIST = "revisitop1m.txt"
COUNTS = Counts(evaluated_images=1_001_001, gallery=1_001_001)


def read(root: Path) -> Split:
    """Read the list: a gallery without queries."""
    paths = [line.fields[0] for line in read_lines(root / LIST, fields=1)]
    return Split(
        train=None,
        evaluated=labelled(root / "jpg", paths, []),
        queries=np.empty(0, dtype=np.int64),
        gallery=np.arange(len(paths), dtype=np.int64),
    )


def with_distractors(row: Dataset, distractors: Dataset) -> Dataset:
    """Return a landmark dataset's row with the distractors in its gallery."""
    if distractors.counts.queries or distractors.train_images:
        raise UsageError(
            f"dataset={row.name}+{distractors.name}: distractors are r1m, or a twin of it"
        )
    if not row.has_boxes or row.distractors:
        raise UsageError(
            f"dataset={row.name}+{distractors.name}: distractors join landmarks (roxford, rparis), "
            "once"
        )
    return replace(
        row,
        name=f"{row.name}+{distractors.name}",
        title=f"{row.title}+{distractors.title}",
        is_twin=row.is_twin or distractors.is_twin,
        identity={**row.identity, "distractors": dict(distractors.identity)},
        base=row.name,
        distractors=distractors.name,
    )


R1M = Dataset(
    name="r1m",
    title="R1M",
    measure="revisited",
    transform="square",
    prepare=partial(find, name="r1m", folders=folders("revisitop1m"), markers=(LIST,)),
    parse=read,
    official=True,
    identity={"dataset": "r1m"},
    counts=COUNTS,
)
