"""Cars196 (Krause et al. 2013), as its authors distribute it, split by class as retrieval does.

Classes 1-98 train, 99-196 are evaluated, whatever ``test`` says: the official split shares classes.
Two layouts of the same 16,185 images: ``cars_annos.mat`` with ``car_ims/``, in which retrieval
repositories know it, and the later ``devkit/`` with ``cars_train/`` and ``cars_test/``, whose paths
differ. K = 1, 2, 4, 8.
"""

from functools import partial
from pathlib import Path
from typing import Any

from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.official import find
from registry.datasets.split import Split, labelled, leave_one_out
from registry.errors import WorkError

KS = (1, 2, 4, 8)
FOLDERS = ("cars196", "Cars196", "CARS196", "CARS_196", "stanford_cars", "StanfordCars", "cars")
TOGETHER = "cars_annos.mat"
APART = (
    ("cars_train", ("devkit/cars_train_annos.mat", "cars_train_annos.mat")),
    ("cars_test", ("cars_test_annos_withlabels.mat", "devkit/cars_test_annos_withlabels.mat")),
)
LAST_TRAINING_CLASS = 98
COUNTS = Counts(
    train_images=8_054,
    train_classes=98,
    evaluated_images=8_131,
    evaluated_classes=98,
    queries=8_131,
    gallery=8_131,
)


def read(root: Path) -> Split:
    """Read the annotations of either layout; needs scipy, which reads Matlab's files."""
    cars = _together(root) if (root / TOGETHER).is_file() else _apart(root)
    trained = [car for car in cars if car[1] <= LAST_TRAINING_CLASS]
    evaluated = [car for car in cars if car[1] > LAST_TRAINING_CLASS]
    train, test = (
        labelled(root, [path for path, _ in part], [str(number) for _, number in part])
        for part in (trained, evaluated)
    )
    return leave_one_out(train=train, evaluated=test)


def _together(root: Path) -> list[tuple[str, int]]:
    return [
        (str(car["relative_im_path"]), int(car["class"]))
        for car in annotations(root / TOGETHER, ("relative_im_path", "class"))
    ]


def _apart(root: Path) -> list[tuple[str, int]]:
    cars: list[tuple[str, int]] = []
    for folder, places in APART:
        path = next((root / place for place in places if (root / place).is_file()), None)
        if path is None:
            raise WorkError(f"there is no {root / places[0]}: fetch it from the same place")
        found = annotations(path, ("fname", "class"))
        cars += [(f"{folder}/{car['fname']}", int(car["class"])) for car in found]
    return cars


def annotations(path: Path, fields: tuple[str, ...]) -> list[Any]:
    """Return the records of a Matlab file's annotations, each with at least these fields."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise WorkError(
            f"{path} is a Matlab file, and reading it needs scipy: pip install scipy"
        ) from None
    try:
        records = list(loadmat(path, squeeze_me=True)["annotations"].reshape(-1))
    except Exception as error:
        raise WorkError(f"cannot read {path} ({error}): fetch it again") from error
    missing = [name for name in fields if name not in (records[0].dtype.names if records else ())]
    if missing:
        raise WorkError(
            f"{path} has no {missing[0]}: cars_test_annos.mat has no labels, "
            "cars_test_annos_withlabels.mat has"
        )
    return records


CARS196 = Dataset(
    name="cars196",
    title="Cars",
    measure="recall",
    ks=KS,
    transform="short_center",
    prepare=partial(find, name="cars196", folders=FOLDERS, markers=(TOGETHER, *APART[0][1])),
    parse=read,
    official=True,
    identity={"dataset": "cars196", "split": "classes 1-98 / 99-196"},
    counts=COUNTS,
)
