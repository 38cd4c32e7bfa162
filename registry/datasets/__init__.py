"""Datasets: the five twins by name, the user's own images as folder:PATH."""

from registry.datasets.dataset import Dataset
from registry.datasets.folder import PREFIX, folder_dataset
from registry.datasets.twins import SHARED_TRAINING_SET, TWINS
from registry.table import Table

__all__ = [
    "DATASETS",
    "GROUPS",
    "PREFIX",
    "TRAINING_SETS",
    "Dataset",
    "dataset_row",
    "folder_dataset",
    "training_row",
]

DATASETS: Table[Dataset] = Table("dataset", TWINS)

TRAINING_SETS: Table[Dataset] = Table("train", [SHARED_TRAINING_SET, *TWINS])

GROUPS: dict[str, tuple[str, ...]] = {"twins": tuple(row.name for row in TWINS)}
"""Names that stand for several datasets."""


def dataset_row(text: str) -> Dataset:
    """Return the row of a dataset's name or folder:PATH."""
    return folder_dataset(text) if text.startswith(PREFIX) else DATASETS[text]


def training_row(train: str, dataset: str) -> Dataset:
    """Return the dataset whose training split is used: own is the evaluated dataset's."""
    if train == "own":
        return dataset_row(dataset)
    return folder_dataset(train) if train.startswith(PREFIX) else TRAINING_SETS[train]
