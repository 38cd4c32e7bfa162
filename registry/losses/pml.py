"""loss=pml:NAME, any loss of pytorch-metric-learning: its facts, read off its source.

Nothing is imported for them: a dry run has to name a loss and its parameters without torch, and
the package is an optional extra. It is imported where a loss is built.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import UsageError
from registry.losses.loss import Loss
from registry.losses.space import Space
from registry.table import unknown

if TYPE_CHECKING:
    from registry.losses.loss import LossFunction

PREFIX = "pml:"
EXTRA = "pml"
PACKAGE = "pytorch_metric_learning"

REFUSED = {
    "CrossBatchMemory": "it wraps a loss: the memory is the recipe's",
    "HistogramLoss": "it indexes by lists, which torch deprecates and will read otherwise",
    "ManifoldLoss": "it takes no labels",
    "MultipleLosses": "it wraps losses: a sum is written A+B",
    "SelfSupervisedLoss": "it wraps a loss for images without labels",
    "VICRegLoss": "it takes no labels",
}
_ABSTRACT = {"BaseLossWrapper", "BaseMetricLossFunction", "GenericPairLoss"}
_MIXINS = {"EmbeddingRegularizerMixin", "WeightRegularizerMixin"}

SIZES = {"num_classes": "classes", "embedding_size": "dims", "descriptors_dim": "dims"}
"""Arguments of constructors that are fields of Space."""

_CHOICES = {
    "convert_to_triplets": "triplets",
    "convert_to_pairs": "pairs",
    "convert_to_pos_pairs_with_unique_labels": "pairs",
}
_POSITIONS_MIXED = {"LiftedStructureLoss"}
"""Compares positions in the memory with positions in the batch, though said to be supported."""
_LEFT_OUT = {"swap", "mat_based_loss"}
"""A triplet's positive as its anchor (the same confusion of positions); what subclasses set."""

UNSET = float("nan")
"""The default of a parameter that has none."""


@dataclass(frozen=True)
class Facts:
    """What the source says of one loss."""

    parameters: Mapping[str, float]
    """Numbers and flags of the constructor; int, float and bool are told apart, UNSET if needed."""
    sizes: tuple[str, ...]
    """Those of SIZES that the constructor takes."""
    chosen: str
    """What can be chosen for it: "pairs", "triplets", or "" where it takes the batch as it is."""
    uses_memory: bool


def pml_row(text: str) -> Loss:
    """Return the row of pml:NAME.

    Raises UsageError if the package is not installed, has no such loss, or one that is no loss
    over labelled images.
    """
    name = text.removeprefix(PREFIX)
    facts = facts_of(name)
    memory = "" if facts.uses_memory else "; ignores the memory"
    return Loss(
        name=PREFIX + name,
        meaning=f"{name} of pytorch-metric-learning{memory}",
        source="pytorch-metric-learning",
        build=partial(build, name),
        parameters=tuple(facts.parameters.items()),
        uses_memory=facts.uses_memory,
        extra=EXTRA,
    )


def build(name: str, parameters: Mapping[str, float], space: Space) -> LossFunction:
    """Build a loss with its own choice of pairs: all of them but an image with itself.

    Raises UsageError as pml_row does, and for values that the constructor refuses.
    """
    arguments = constructor_arguments(name, parameters, space)
    from registry.losses.pml_modules import adapted

    return adapted(name, arguments, facts_of(name))


def constructor_arguments(
    name: str, parameters: Mapping[str, float], space: Space
) -> dict[str, float]:
    """Return what to call the constructor with: whole numbers and flags as such, and sizes."""
    facts = facts_of(name)
    arguments = {
        parameter: _like(facts.parameters[parameter], value, f"{PREFIX}{name}: {parameter}")
        for parameter, value in parameters.items()
    }
    return arguments | {size: getattr(space, SIZES[size]) for size in facts.sizes}


def known() -> list[str]:
    """Names of the losses that pml:NAME takes; raises UsageError without the package."""
    hidden = {*REFUSED, *_ABSTRACT, *_MIXINS}
    return sorted(name for name in _modules(_folder()) if name not in hidden)


def facts_of(name: str) -> Facts:
    """Read a loss's facts off its source; raises UsageError as pml_row does."""
    folder = _folder()
    if name in REFUSED:
        raise UsageError(f"loss {PREFIX}{name} cannot be used: {REFUSED[name]}")
    if name not in known():
        raise UsageError(unknown("loss of pytorch-metric-learning", name, known()))
    return _facts(folder, name)


def _folder() -> Path:
    """Return the folder of the package's losses; raises UsageError if it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "losses of pytorch-metric-learning need the package: "
            f"pip install 'retrieval-bench[{EXTRA}]'"
        )
    return Path(spec.submodule_search_locations[0]) / "losses"


@lru_cache(maxsize=64)
def _facts(folder: Path, name: str) -> Facts:
    family = list(_family(folder, name))
    given = {key: value for cls in reversed(family) for key, value in _arguments(cls)}
    calls = {called for cls in family for called in _calls(cls)}
    chosen = next((what for call, what in _CHOICES.items() if call in calls), "")
    remembered = name in _remembered(folder) and name not in _POSITIONS_MIXED
    return Facts(
        parameters={
            key: value
            for key, value in given.items()
            if value is not None and key not in {*SIZES, *_LEFT_OUT}
        },
        sizes=tuple(size for size in SIZES if size in given),
        chosen=chosen,
        uses_memory=bool(chosen) and remembered,
    )


@lru_cache(maxsize=8)
def _modules(folder: Path) -> dict[str, str]:
    """Map the names that the package of losses exports to the modules that define them."""
    return {
        alias.name: node.module
        for node in _parse(folder / "__init__.py").body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def _family(folder: Path, name: str) -> Iterator[ast.ClassDef]:
    """Yield a class and its bases among the losses, itself first."""
    modules = _modules(folder)
    if name not in modules or name in _MIXINS or name == "BaseMetricLossFunction":
        return
    cls = _class(folder, modules[name], name)
    yield cls
    for base in cls.bases:
        if isinstance(base, ast.Name):
            yield from _family(folder, base.id)


def _class(folder: Path, module: str, name: str) -> ast.ClassDef:
    found = (
        node for node in _parse(folder / f"{module}.py").body if isinstance(node, ast.ClassDef)
    )
    return next(node for node in found if node.name == name)


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _arguments(cls: ast.ClassDef) -> Iterator[tuple[str, float | None]]:
    """Yield the constructor's arguments with default, UNSET, or None for what is no number."""
    for node in cls.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            named = node.args.args[1:]
            without: list[ast.expr | None] = [None] * (len(named) - len(node.args.defaults))
            yield from zip(
                (argument.arg for argument in (*named, *node.args.kwonlyargs)),
                map(_number, (*without, *node.args.defaults, *node.args.kw_defaults)),
                strict=True,
            )


def _number(default: ast.expr | None) -> float | None:
    """Return a default's value: UNSET if there is none, None if it is no number."""
    value = UNSET if default is None else ast.literal_eval(default)
    return value if isinstance(value, int | float) else None


def _calls(cls: ast.ClassDef) -> Iterator[str]:
    """Yield the names of what a class calls, without their modules."""
    for node in ast.walk(cls):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute):
                yield called.attr
            elif isinstance(called, ast.Name):
                yield called.id


@lru_cache(maxsize=8)
def _remembered(folder: Path) -> frozenset[str]:
    """Names of the losses that the package's own cross-batch memory supports."""
    memory = _class(folder, _modules(folder)["CrossBatchMemory"], "CrossBatchMemory")
    return frozenset(
        name
        for node in memory.body
        if isinstance(node, ast.FunctionDef) and node.name == "supported_losses"
        for returned in ast.walk(node)
        if isinstance(returned, ast.Return) and returned.value is not None
        for name in ast.literal_eval(returned.value)
    )


def _like(default: float, value: float, what: str) -> float:
    """Return a value as its default's type: 10 and not 10.0 bins, a flag as 0 or 1."""
    if value != value:
        raise UsageError(f"loss {what} has no default: it must be given")
    if isinstance(default, bool):
        if value not in (0, 1):
            raise UsageError(f"loss {what} is 0 or 1, not {value:g}")
        return bool(value)
    return int(value) if isinstance(default, int) and value == int(value) else value
