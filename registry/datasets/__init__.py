"""Datasets: the real ones and the five twins by name, and the forms that make others of them.

folder:PATH     the user's own images       NAME@subset(classes=20,seed=0)   a part of another
twin:PATH       a twin of any size          NAME+r1m, NAME+twin:PATH   landmarks among distractors
"""

from registry.datasets.dataset import Dataset
from registry.datasets.folder import PREFIX as FOLDER
from registry.datasets.folder import folder_dataset
from registry.datasets.r1m import R1M, with_distractors
from registry.datasets.real import EVALUATED, REAL
from registry.datasets.subset import FORM, subset_of
from registry.datasets.twin_folder import PREFIX as TWIN
from registry.datasets.twin_folder import twin_dataset
from registry.datasets.twins import SHARED_TRAINING_SET, TWINS
from registry.errors import UsageError
from registry.table import Table

__all__ = [
    "ALL",
    "DATASETS",
    "FORMS",
    "GROUPS",
    "TRAINING_FORMS",
    "TRAINING_SETS",
    "Dataset",
    "dataset_row",
    "source_row",
    "training_row",
]

DATASETS: Table[Dataset] = Table("dataset", [*EVALUATED, *TWINS])

TRAINING_SETS: Table[Dataset] = Table(
    "train",
    [SHARED_TRAINING_SET, *(row for row in (*REAL.values(), *TWINS) if row.train_images)],
)

ALL: Table[Dataset] = Table("dataset", [*REAL.values(), SHARED_TRAINING_SET, *TWINS])
"""Whatever has images, evaluated or not."""

GROUPS: dict[str, tuple[str, ...]] = {"twins": tuple(row.name for row in TWINS)}
"""Names that stand for several datasets."""

TRAINING_FORMS = ("folder:PATH", "twin:PATH", "cub@subset(classes=20,seed=0)")
FORMS = (*TRAINING_FORMS, "roxford+r1m")
"""How other datasets are written."""


def dataset_row(text: str) -> Dataset:
    """Return the row of a dataset's name or form; raises UsageError for what is neither."""
    return _row(text, DATASETS)


def source_row(text: str) -> Dataset:
    """Return the row of anything that has images: also training sets and distractors."""
    return _row(text, ALL)


def training_row(train: str, dataset: str) -> Dataset:
    """Return the dataset whose training split is used: own is the evaluated dataset's."""
    return source_row(dataset if train == "own" else train)


def _row(text: str, table: Table[Dataset]) -> Dataset:
    base, _, other = text.rpartition("+")
    if base and other == R1M.name and not text.startswith(FOLDER):
        return with_distractors(_row(base, table), R1M)
    if other.startswith(TWIN) and base:
        return with_distractors(_row(base, table), twin_dataset(other))
    subset = FORM.fullmatch(text)
    if subset:
        return subset_of(_row(subset["base"], table), text, subset["inside"])
    if text.startswith(FOLDER):
        return folder_dataset(text)
    if text.startswith(TWIN):
        return twin_dataset(text)
    if "@" in text and text not in table:
        raise UsageError(
            f"dataset={text}: what follows @ is subset(classes=20,seed=0), of landmarks "
            "subset(queries=10,seed=0), or, of a folder, split=classes"
        )
    if base and base in table:
        raise UsageError(f"dataset={text}: what follows + is r1m or twin:PATH (of r1m)")
    return table[text]
