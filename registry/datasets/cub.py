"""CUB-200-2011 (Wah et al. 2011), as its authors distribute it, split by class as retrieval does.

``images.txt``: ``image_id path``; ``image_class_labels.txt``: ``image_id class_id``. The first half
of the classes (1-100) trains, the second half (101-200) is evaluated, every image a query against
all others: not ``train_test_split.txt``, whose halves share classes. K = 1, 2, 4, 8.
"""

from pathlib import Path

from registry.datasets.lists import read_lines
from registry.datasets.split import Images, Split, leave_one_out, number
from registry.errors import WorkError

KS = (1, 2, 4, 8)


def read(root: Path) -> Split:
    """Read the lists; raises WorkError where an image has no class."""
    paths = _by_image(root / "images.txt")
    classes = _by_image(root / "image_class_labels.txt")
    unlabelled = sorted(paths.keys() - classes.keys())
    if unlabelled:
        raise WorkError(
            f"{root / 'image_class_labels.txt'} has no class for image {unlabelled[0]} "
            f"and {len(unlabelled) - 1} more: fetch the list again"
        )
    ids = sorted({int(class_id) for class_id in classes.values()})
    train = {str(class_id) for class_id in ids[: len(ids) // 2]}
    parts = (
        [image for image in paths if (classes[image] in train) == trained]
        for trained in (True, False)
    )
    trained, evaluated = (
        Images(
            root=root / "images",
            paths=tuple(paths[image] for image in part),
            labels=number([classes[image] for image in part]),
        )
        for part in parts
    )
    return leave_one_out(train=trained, evaluated=evaluated)


def _by_image(path: Path) -> dict[str, str]:
    return {row[0]: row[1] for row in read_lines(path, fields=2)}
