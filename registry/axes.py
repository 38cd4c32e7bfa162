"""The axes of a matrix: one row each, in the order of a job's fields."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from registry.backbones import BACKBONES
from registry.calls import split_outside, sweep
from registry.datasets import (
    ALL,
    DATASETS,
    FORMS,
    GROUPS,
    TRAINING_FORMS,
    TRAINING_SETS,
    source_row,
    training_row,
)
from registry.errors import UsageError
from registry.losses import LOSSES, format_loss, parse_loss
from registry.poolings import POOLINGS
from registry.projections import PROJECTIONS
from registry.recipes import (
    FIELDS,
    RECIPES,
    format_recipe,
    known_words,
    parse_recipe,
    read_field,
    value_text,
)
from registry.table import R, Table, unknown
from registry.timm_models import TIMM_PREFIX, backbone_row
from registry.transforms import TRANSFORMS
from registry.weights import KINDS, parse_weights

CROPS = ("box", "none")
LARGEST = 1_000_000
"""No axis of whole numbers goes beyond it."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One thing that varies."""

    name: str
    meaning: str
    read: Callable[[str], list[str]]
    """One typed item -> the canonical values it stands for; raises UsageError."""
    known: tuple[str, ...]
    """Values to list and to complete; forms such as folder:PATH are among them."""


def _dataset(item: str) -> list[str]:
    if item in GROUPS:
        return list(GROUPS[item])
    if _is_form(item) or item in ALL:
        row = source_row(item)
        if not row.counts.queries:
            raise UsageError(
                f"dataset={item}: it has no queries: give it as train=, or as distractors after +"
            )
        return [row.name]
    if _is_glob(item):
        return DATASETS.matching(item)
    if item not in DATASETS:
        raise UsageError(unknown("dataset", item, [*GROUPS, *DATASETS, *FORMS]))
    return [item]


def _train(item: str) -> list[str]:
    if item == "own":
        return [item]
    if _is_form(item):
        return [training_row(item, item).name]
    if item not in TRAINING_SETS:
        raise UsageError(unknown("train", item, ["own", *TRAINING_SETS, *TRAINING_FORMS]))
    return [item]


def _is_form(item: str) -> bool:
    return any(sign in item for sign in (":", "@", "+"))


def _backbone(item: str) -> list[str]:
    if item.startswith(TIMM_PREFIX):
        return [backbone_row(item).name]
    return BACKBONES.matching(item) if _is_glob(item) else [BACKBONES[item].name]


def _crop(item: str) -> list[str]:
    if item not in CROPS:
        raise UsageError(unknown("crop", item, CROPS))
    return [item]


def _weights(item: str) -> list[str]:
    parse_weights(item)
    return [item]


def _loss(item: str) -> list[str]:
    if _is_glob(item):
        return _TRAINING_LOSSES.matching(item)
    return [format_loss(parse_loss(text)) for text in sweep(item)]


def _recipe(item: str) -> list[str]:
    if _is_glob(item):
        return RECIPES.matching(item)
    return [format_recipe(parse_recipe(text)) for text in sweep(item)]


def _field(field: str) -> Callable[[str], list[str]]:
    def read(item: str) -> list[str]:
        return [value_text(read_field(field, item))]

    return read


def _named(table: Table[R]) -> Callable[[str], list[str]]:
    return lambda item: table.matching(item) if _is_glob(item) else [table[item].name]


def _is_glob(item: str) -> bool:
    return any(character in item for character in "*?[")


_TRAINING_LOSSES = Table("loss", [row for row in LOSSES.values() if not row.regulariser])
"""Those that need no other beside them; none is one."""
_SUMS = tuple(f"contrastive+{row.name}" for row in LOSSES.values() if row.regulariser)
_RANGE = re.compile(r"(\d+)\.\.(\d+)(?::(x?)(\d+))?")


def whole_numbers(
    axis: str, *, smallest: int, words: tuple[str, ...] = ()
) -> Callable[..., list[str]]:
    """Read 64, 32..512:x2 (each twice the last), 0..4 or 0..100:20 (in steps)."""

    def read(item: str) -> list[str]:
        if item in words:
            return [item]
        if item.isdecimal() and smallest <= int(item) <= LARGEST:
            return [str(int(item))]
        match = _RANGE.fullmatch(item)
        if match is None:
            forms = ", ".join(["a whole number", "32..512:x2", "0..4", *words])
            raise UsageError(
                f"{axis}={item!r} is not a value: give {forms} (from {smallest} to {LARGEST:,})"
            )
        return [str(value) for value in _range(axis, item, match, smallest=smallest)]

    return read


def _range(axis: str, item: str, match: re.Match[str], *, smallest: int) -> Iterable[int]:
    first, last, times, step = (
        int(match[1]),
        int(match[2]),
        match[3],
        int(match[4] or 1),
    )
    useless = step < 2 or first < 1 if times else step < 1
    if useless or not smallest <= first <= last <= LARGEST:
        raise UsageError(
            f"{axis}={item} counts no values: write it upwards from {smallest}, "
            "as 32..512:x2 or 0..4"
        )
    if not times:
        return range(first, last + 1, step)
    values = []
    while first <= last:
        values.append(first)
        first *= step
    return values


AXES: Table[Axis] = Table(
    "axis",
    [
        Axis(
            name="dataset",
            meaning="what is evaluated; twins = all five",
            read=_dataset,
            known=(*GROUPS, *DATASETS, *FORMS),
        ),
        Axis(
            name="train",
            meaning="whose training split trains, and fits projections; own = the dataset's",
            read=_train,
            known=("own", *TRAINING_SETS, *TRAINING_FORMS),
        ),
        Axis(
            name="backbone",
            meaning="the network, without its classifier",
            read=_backbone,
            known=(*BACKBONES, "timm:NAME"),
        ),
        Axis(
            name="weights",
            meaning="the network's first weights",
            read=_weights,
            known=tuple(KINDS),
        ),
        Axis(
            name="pooling",
            meaning="tokens or feature map -> one vector",
            read=_named(POOLINGS),
            known=tuple(POOLINGS),
        ),
        Axis(
            name="loss",
            meaning="what is trained for; terms are joined by +",
            read=_loss,
            known=(*_TRAINING_LOSSES, *_SUMS, "pml:NAME"),
        ),
        Axis(
            name="recipe",
            meaning="how it is trained",
            read=_recipe,
            known=tuple(RECIPES),
        ),
        Axis(
            name="resolution",
            meaning="side of the square input in pixels; native = the backbone's own",
            read=whole_numbers("resolution", smallest=1, words=("native",)),
            known=("native", "64", "224", "384"),
        ),
        Axis(
            name="test_resolution",
            meaning="of evaluated images, where it is another than that of training",
            read=whole_numbers("test_resolution", smallest=1, words=("same",)),
            known=("same", "224", "384"),
        ),
        Axis(
            name="transform",
            meaning="how evaluated images get that size; each dataset has its own",
            read=_named(TRANSFORMS),
            known=tuple(TRANSFORMS),
        ),
        Axis(
            name="crop",
            meaning="landmark queries: box = cut to their box in native pixels first; none = whole",
            read=_crop,
            known=CROPS,
        ),
        Axis(
            name="dims",
            meaning="numbers per descriptor; native = the backbone's width",
            read=whole_numbers("dims", smallest=1, words=("native",)),
            known=("native", "32", "64", "128", "256", "384", "512"),
        ),
        Axis(
            name="projection",
            meaning="how a descriptor gets its size",
            read=_named(PROJECTIONS),
            known=tuple(PROJECTIONS),
        ),
        Axis(
            name="seed",
            meaning="of random weights and of training",
            read=whole_numbers("seed", smallest=0),
            known=("0", "1", "2"),
        ),
    ],
)


FIELD = "recipe."
"""recipe.lr=1e-5,3e-5: a field of the recipe as an axis."""
SHORT = {"select": "recipe.selection"}
"""Other names of axes."""


def axis_row(name: str) -> Axis:
    """Return an axis, also one that is a field of the recipe; raises UsageError."""
    name = SHORT.get(name, name)
    field = name.removeprefix(FIELD)
    if field == name:
        return AXES[name]
    if field not in FIELDS:
        raise UsageError(unknown("field of a recipe", field, FIELDS))
    meaning, known = f"the recipe's {field}", known_words(field)
    return Axis(name=name, meaning=meaning, read=_field(field), known=known)


def split_items(text: str) -> list[str]:
    """Split at commas outside parentheses: a,b(c=1,2) -> a and b(c=1,2)."""
    return split_outside(text, ",")


def matches(axis: str, pattern: str, value: str) -> bool:
    """Whether a canonical value is one that an item of --exclude means."""
    return fnmatch.fnmatchcase(value, pattern) or value in axis_row(axis).read(pattern)
