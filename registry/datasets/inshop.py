"""In-Shop Clothes Retrieval (Liu et al. 2016, DeepFashion), as its authors distribute it.

``Eval/list_eval_partition.txt``: a count, a header, then ``image_name item_id evaluation_status``
padded with blanks; statuses are train, query and gallery. Queries search the gallery only.
K = 1, 10, 20, 30.
"""

from pathlib import Path

import numpy as np

from registry.datasets.lists import read_lines
from registry.datasets.split import Images, Split, number
from registry.errors import WorkError

KS = (1, 10, 20, 30)
PARTITION = Path("Eval", "list_eval_partition.txt")


def read(root: Path) -> Split:
    """Read the partition; raises WorkError for a status that is not one of the three."""
    rows = read_lines(root / PARTITION, fields=3, header=2)
    parts: dict[str, list[tuple[str, ...]]] = {"train": [], "query": [], "gallery": []}
    for row in rows:
        if row[2] not in parts:
            raise WorkError(
                f"{root / PARTITION}: {row[0]} has status {row[2]!r}, "
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
    return Images(
        root=folder,
        paths=tuple(path for path, _, _ in rows),
        labels=number([item for _, item, _ in rows]),
    )
