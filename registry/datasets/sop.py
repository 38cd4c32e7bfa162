"""Stanford Online Products (Oh Song et al. 2016, arXiv 1511.06452), as its authors distribute it.

``Ebay_train.txt`` and ``Ebay_test.txt``: a header, then ``image_id class_id super_class_id path``.
Every test image is a query against all other test images; K = 1, 10, 100, 1000.
"""

from pathlib import Path

from registry.datasets.lists import read_lines
from registry.datasets.split import Images, Split, leave_one_out, number

KS = (1, 10, 100, 1000)


def read(root: Path) -> Split:
    """Read both lists; raises WorkError where a line is not as documented."""
    return leave_one_out(
        train=_images(root, "Ebay_train.txt"), evaluated=_images(root, "Ebay_test.txt")
    )


def _images(root: Path, name: str) -> Images:
    rows = read_lines(root / name, fields=4, header=1)
    return Images(
        root=root,
        paths=tuple(path for _, _, _, path in rows),
        labels=number([class_id for _, class_id, _, _ in rows]),
    )
