"""Dataset: one row of the dataset axis, and what is asked of every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from registry.datasets.split import Split


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images with a split and a measure."""

    name: str
    title: str
    """Column header in tables."""
    measure: Literal["recall", "revisited"]
    """recall: R@K and MAP@R over classes; revisited: mAP and mP@k Easy, Medium, Hard."""
    ks: tuple[int, ...] = ()
    """K of Recall@K, as the field reports them for this set."""
    transform: str
    """Preprocessing of evaluated images, and of the training images where features are fitted."""
    prepare: Callable[[Path], Path]
    """Data folder -> this dataset's folder, made or checked; raises what to do where it is not."""
    read: Callable[[Path], Split]
    """This dataset's folder -> its split, from its list files."""
    identity: Mapping[str, object]
    """Everything the images and lists depend on: goes into every key."""
    train_images: int
    """Images in the training split; 0 where there is none."""
    evaluated_images: int
    """Queries and gallery, each image once."""
    is_twin: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Axis values used with this dataset where none is typed."""
