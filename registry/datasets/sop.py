"""Stanford Online Products (Oh Song et al. 2016, arXiv 1511.06452), as its authors distribute it.

``Ebay_train.txt`` and ``Ebay_test.txt``: a header, then ``image_id class_id super_class_id path``.
Every test image is a query against all other test images; K = 1, 10, 100, 1000.
"""

from functools import partial
from pathlib import Path

from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.lists import read_lines
from registry.datasets.official import find
from registry.datasets.split import Images, Split, labelled, leave_one_out

KS = (1, 10, 100, 1000)
FOLDERS = ("Stanford_Online_Products", "SOP", "sop", "stanford_online_products", "online_products")
COUNTS = Counts(
    train_images=59_551,
    train_classes=11_318,
    evaluated_images=60_502,
    evaluated_classes=11_316,
    queries=60_502,
    gallery=60_502,
)
LISTS = "432dd9dadb5aa06b"


def read(root: Path) -> Split:
    """Read both lists; raises WorkError where a line is not as documented."""
    return leave_one_out(
        train=_images(root, "Ebay_train.txt"), evaluated=_images(root, "Ebay_test.txt")
    )


def _images(root: Path, name: str) -> Images:
    rows = [line.fields for line in read_lines(root / name, fields=4, header=1)]
    paths = [path for _, _, _, path in rows]
    return labelled(root, paths, [class_id for _, class_id, _, _ in rows])


SOP = Dataset(
    name="sop",
    title="SOP",
    measure="recall",
    ks=KS,
    transform="short_center",
    prepare=partial(find, name="sop", folders=FOLDERS, markers=("Ebay_test.txt",)),
    parse=read,
    official=True,
    lists=LISTS,
    identity={"dataset": "sop", "lists": LISTS},
    counts=COUNTS,
    defaults={"recipe": "irt-sop"},
)
