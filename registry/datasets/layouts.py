"""Layouts: how a twin of each real dataset is written, read and sized. One row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from registry.datasets import cars196, cub, inshop, r1m, revisited, sfm120k, sop, twins
from registry.datasets.counts import Counts
from registry.datasets.roxford import COUNTS as ROXFORD_COUNTS
from registry.datasets.rparis import COUNTS as RPARIS_COUNTS
from registry.datasets.split import Split
from registry.datasets.synthetic import CategoryTwin, Draw, LandmarkTwin, Twin
from registry.datasets.writers import (
    write_cars196,
    write_cub,
    write_inshop,
    write_r1m,
    write_revisited,
    write_sfm120k,
    write_sop,
)
from registry.table import Table

VIEWS_PER_LANDMARK = 98
"""Judged images per landmark of ROxford, about."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a twin of one real dataset is written and read."""

    name: str
    small: Twin
    """The twin where nothing else is asked for."""
    true_counts: Twin
    write: Callable[[Path, Any, Draw], None]
    read: Callable[[Path], Split]
    lists: tuple[str, ...]
    """Its list files, those that a copy may lack among them."""


def _category(twin: CategoryTwin, counts: Counts, *, apart: bool = False) -> CategoryTwin:
    """A twin at these counts."""
    return replace(
        twin,
        train_classes=counts.train_classes or 0,
        train_images=counts.train_images,
        test_classes=counts.evaluated_classes or 0,
        test_images=counts.evaluated_images,
        query_images=counts.queries if apart else None,
    )


def _landmarks(twin: LandmarkTwin, counts: Counts) -> LandmarkTwin:
    views = min(counts.gallery, twin.landmarks * VIEWS_PER_LANDMARK)
    return replace(twin, queries=counts.queries, views=views, distractors=counts.gallery - views)


_CARS = replace(twins.SOP, seed=16)
_SFM = CategoryTwin(
    kind="landmark", seed=17, train_classes=24, train_images=192, test_classes=8, test_images=64
)
_R1M = LandmarkTwin(name="revisitop1m", seed=18, landmarks=0, queries=0, views=0, distractors=200)

LAYOUTS: Table[Layout] = Table(
    "dataset with a twin",
    [
        Layout(
            name="sop",
            small=twins.SOP,
            true_counts=_category(twins.SOP, sop.COUNTS),
            write=write_sop,
            read=sop.read,
            lists=("Ebay_train.txt", "Ebay_test.txt"),
        ),
        Layout(
            name="cub",
            small=twins.CUB,
            true_counts=_category(twins.CUB, cub.COUNTS),
            write=write_cub,
            read=cub.read,
            lists=(
                "images.txt",
                "image_class_labels.txt",
                "classes.txt",
                "bounding_boxes.txt",
                "train_test_split.txt",
            ),
        ),
        Layout(
            name="inshop",
            small=twins.INSHOP,
            true_counts=_category(twins.INSHOP, inshop.COUNTS, apart=True),
            write=write_inshop,
            read=inshop.read,
            lists=tuple(path.as_posix() for path in inshop.PARTITIONS),
        ),
        Layout(
            name="cars196",
            small=_CARS,
            true_counts=_category(_CARS, cars196.COUNTS),
            write=write_cars196,
            read=cars196.read,
            lists=(cars196.TOGETHER,),
        ),
        Layout(
            name="roxford",
            small=twins.ROXFORD,
            true_counts=_landmarks(twins.ROXFORD, ROXFORD_COUNTS),
            write=write_revisited,
            read=partial(revisited.read, name=twins.ROXFORD.name),
            lists=(f"gnd_{twins.ROXFORD.name}.pkl",),
        ),
        Layout(
            name="rparis",
            small=twins.RPARIS,
            true_counts=_landmarks(twins.RPARIS, RPARIS_COUNTS),
            write=write_revisited,
            read=partial(revisited.read, name=twins.RPARIS.name),
            lists=(f"gnd_{twins.RPARIS.name}.pkl",),
        ),
        Layout(
            name="sfm120k",
            small=_SFM,
            true_counts=_category(_SFM, sfm120k.COUNTS),
            write=write_sfm120k,
            read=sfm120k.read,
            lists=(sfm120k.LIST,),
        ),
        Layout(
            name="r1m",
            small=_R1M,
            true_counts=replace(_R1M, distractors=r1m.COUNTS.gallery),
            write=write_r1m,
            read=r1m.read,
            lists=(r1m.LIST,),
        ),
    ],
)
