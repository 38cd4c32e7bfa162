"""In-Shop Clothes Retrieval (Liu et al. 2016, DeepFashion), as its authors distribute it.

``Eval/list_eval_partition.txt``: a count, a header, then ``image_name item_id evaluation_status``
padded with blanks; statuses are train, query and gallery. Queries search the gallery only.
K = 1, 10, 20, 30.
"""

from functools import partial
from pathlib import Path

import numpy as np

from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.lists import read_lines
from registry.datasets.official import find
from registry.datasets.split import Images, Split, labelled
from registry.errors import WorkError

KS = (1, 10, 20, 30)
FOLDERS = (
    "In-shop Clothes Retrieval Benchmark",
    "DeepFashion/In-shop Clothes Retrieval Benchmark",
    "In-shop_Clothes_Retrieval_Benchmark",
    "In-shop",
    "Inshop_Clothes",
    "Inshop",
    "inshop",
)
PARTITIONS = (Path("Eval", "list_eval_partition.txt"), Path("list_eval_partition.txt"))
"""Where the list lies: in its own folder, or beside the images, as many unpack it."""
COUNTS = Counts(
    train_images=25_882,
    train_classes=3_997,
    evaluated_images=26_830,
    evaluated_classes=3_985,
    queries=14_218,
    gallery=12_612,
)
LISTS = "35c1be46e1146483"


def read(root: Path) -> Split:
    """Read the partition; raises WorkError for a status that is not one of the three."""
    partition = next((path for path in PARTITIONS if (root / path).is_file()), PARTITIONS[0])
    rows = read_lines(root / partition, fields=3, header=2)
    parts: dict[str, list[tuple[str, ...]]] = {"train": [], "query": [], "gallery": []}
    for row, number in rows:
        if row[2] not in parts:
            raise WorkError(
                f"{root / partition}, line {number}: {row[0]} has status {row[2]!r}, "
                f"not one of {', '.join(parts)}: fetch the list again"
            )
        parts[row[2]].append(row)
    queries = np.arange(len(parts["query"]), dtype=np.int64)
    gallery = np.arange(len(parts["gallery"]), dtype=np.int64) + len(queries)
    return Split(
        train=_images(root, parts["train"]),
        evaluated=_images(root, parts["query"] + parts["gallery"]),
        queries=queries,
        gallery=gallery,
    )


def _images(root: Path, rows: list[tuple[str, ...]]) -> Images:
    folder = root / "Img" if (root / "Img").is_dir() else root
    return labelled(folder, [path for path, _, _ in rows], [item for _, item, _ in rows])


INSHOP = Dataset(
    name="inshop",
    title="In-Shop",
    measure="recall",
    ks=KS,
    transform="short_center",
    prepare=partial(
        find,
        name="inshop",
        folders=FOLDERS,
        markers=[path.as_posix() for path in PARTITIONS],
    ),
    parse=read,
    official=True,
    lists=LISTS,
    identity={"dataset": "inshop", "lists": LISTS},
    counts=COUNTS,
    defaults={"recipe": "irt-inshop"},
)
