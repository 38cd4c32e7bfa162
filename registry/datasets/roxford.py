"""Revisited Oxford: the lists and measure are those of revisited.py."""

from functools import partial

from registry.datasets import revisited
from registry.datasets.counts import Counts
from registry.datasets.dataset import Dataset
from registry.datasets.official import find

NAME = "roxford5k"
COUNTS = Counts(
    evaluated_images=5_063,
    queries=70,
    gallery=4_993,
    easy=3_029,
    hard=2_497,
    junk=1_356,
)
LISTS = "2c1e4e9deee9e47a"

ROXFORD = Dataset(
    name="roxford",
    title="ROxford",
    measure="revisited",
    transform="square",
    prepare=partial(
        find, name="roxford", folders=revisited.folders(NAME), markers=(f"gnd_{NAME}.pkl",)
    ),
    parse=partial(revisited.read, name=NAME),
    official=True,
    lists=LISTS,
    identity={"dataset": "roxford", "lists": LISTS},
    counts=COUNTS,
    defaults={"train": "sfm120k", "recipe": "irt-landmarks"},
)
