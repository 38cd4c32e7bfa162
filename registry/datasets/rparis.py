"""Revisited Paris: the lists and measure are those of revisited.py."""

from functools import partial

from registry.datasets import revisited
from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.official import find

NAME = "rparis6k"
COUNTS = Counts(
    evaluated_images=6_392,
    queries=70,
    gallery=6_322,
    easy=6_874,
    hard=10_350,
    junk=7_153,
)
LISTS = "aaa4836546b76c51"

RPARIS = Dataset(
    name="rparis",
    title="RParis",
    measure="revisited",
    transform="square",
    prepare=partial(
        find, name="rparis", folders=revisited.folders(NAME), markers=(f"gnd_{NAME}.pkl",)
    ),
    parse=partial(revisited.read, name=NAME),
    official=True,
    lists=LISTS,
    identity={"dataset": "rparis", "lists": LISTS},
    counts=COUNTS,
    defaults={"train": "sfm120k", "recipe": "irt-landmarks"},
)
