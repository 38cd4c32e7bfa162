"""Dataset: one row of the dataset axis, and what is asked of every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from registry.datasets.counts import Counts
from registry.datasets.official import check
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
    """Data folder -> this dataset's folder, found or made; raises what to do where it is not."""
    parse: Callable[[Path], Split]
    """This dataset's folder -> the split that its list files say, official or not."""
    identity: Mapping[str, object]
    """Everything the lists, and for twins and folders the images, depend on: in every key."""
    counts: Counts
    """What a split must hold; of a subset, about."""
    about: bool = False
    """Whether the counts are estimates, its lists being read only when the work begins."""
    official: bool = False
    """Whether it is a benchmark: only the field's own split may go by its name."""
    lists: str | None = None
    """Fingerprint of the official lists, where they are known."""
    pinned: bool = False
    """Whether the identity pins the images too; else their sizes join it once they are there."""
    is_twin: bool = False
    upright: bool = False
    """Whether EXIF orientation is applied. Benchmarks ignore it, as published numbers do."""
    base: str | None = None
    """The dataset whose lists and images these are, where only distractors are added."""
    distractors: str | None = None
    """The dataset whose images join the gallery."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Axis values used with this dataset where none is typed."""

    def read(self, root: Path) -> Split:
        """Read the split; raises WorkError where it is not the benchmark's."""
        split = self.parse(root)
        if self.official:
            check(split, root, name=self.name, counts=self.counts, lists=self.lists)
        return split

    @property
    def train_images(self) -> int:
        """Images in the training split; 0 where there is none."""
        return self.counts.train_images

    @property
    def evaluated_images(self) -> int:
        """Queries and gallery, each image once."""
        return self.counts.evaluated_images

    @property
    def has_boxes(self) -> bool:
        """Whether its queries come with the box that shows what is asked for."""
        return self.measure == "revisited" and self.counts.queries > 0
