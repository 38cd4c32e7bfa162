"""CUB-200-2011 (Wah et al. 2011), as its authors distribute it, split by class as retrieval does.

``images.txt``: ``image_id path``; ``image_class_labels.txt``: ``image_id class_id``. The first half
of the classes (1-100) trains, the second half (101-200) is evaluated, every image a query against
all others: not ``train_test_split.txt``, whose halves share classes. K = 1, 2, 4, 8.
"""

from functools import partial
from pathlib import Path

from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.lists import Line, read_lines
from registry.datasets.official import find
from registry.datasets.split import Split, labelled, leave_one_out
from registry.errors import WorkError

KS = (1, 2, 4, 8)
FOLDERS = (
    "CUB_200_2011",
    "CUB_200_2011/CUB_200_2011",
    "CUB-200-2011",
    "CUB-200-2011/CUB_200_2011",
    "cub200",
    "CUB",
    "cub",
)
COUNTS = Counts(
    train_images=5_864,
    train_classes=100,
    evaluated_images=5_924,
    evaluated_classes=100,
    queries=5_924,
    gallery=5_924,
)
LISTS = "a4133cf4c732f777"


def read(root: Path) -> Split:
    """Read the lists; raises WorkError where an image has no class."""
    paths = _by_image(root / "images.txt")
    classes = {
        image: _class_id(line, root)
        for image, line in _by_image(root / "image_class_labels.txt").items()
    }
    unlabelled = [line for image, line in paths.items() if image not in classes]
    if unlabelled:
        raise WorkError(
            f"{root / 'image_class_labels.txt'} has no class for image {unlabelled[0].fields[0]} "
            f"(images.txt, line {unlabelled[0].number}) and {len(unlabelled) - 1} more: "
            "fetch the list again"
        )
    ids = sorted(set(classes.values()))
    if ids == [0, 1]:
        raise WorkError(
            f"{root / 'image_class_labels.txt'} holds 0 and 1 alone, as train_test_split.txt does: "
            "that splits images for classification; retrieval needs the classes themselves"
        )
    train = set(ids[: len(ids) // 2])
    parts = (
        [image for image in paths if (classes[image] in train) == trained]
        for trained in (True, False)
    )
    trained, evaluated = (
        labelled(
            root / "images",
            [paths[image].fields[1] for image in part],
            [str(classes[image]) for image in part],
        )
        for part in parts
    )
    return leave_one_out(train=trained, evaluated=evaluated)


def _by_image(path: Path) -> dict[str, Line]:
    lines = read_lines(path, fields=2)
    found = {line.fields[0]: line for line in lines}
    if len(found) < len(lines):
        twice = next(line for line in lines if found[line.fields[0]] is not line)
        raise WorkError(f"{path}, line {twice.number}: image {twice.fields[0]} is listed twice")
    return found


def _class_id(line: Line, root: Path) -> int:
    if not line.fields[1].isdecimal():
        raise WorkError(
            f"{root / 'image_class_labels.txt'}, line {line.number}: class {line.fields[1]!r} is "
            "no number: fetch the list again"
        )
    return int(line.fields[1])


CUB = Dataset(
    name="cub",
    title="CUB",
    measure="recall",
    ks=KS,
    transform="short_center",
    prepare=partial(find, name="cub", folders=FOLDERS, markers=("images.txt",)),
    parse=read,
    official=True,
    lists=LISTS,
    identity={"dataset": "cub", "lists": LISTS},
    counts=COUNTS,
    defaults={"recipe": "irt-cub"},
)
