"""Which parameters a training moves, how fast, and with which weight decay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from types import MethodType
from typing import Any

import torch
from timm.models import group_parameters
from torch import nn

from bench.model import Embedder
from registry.errors import WorkError
from registry.recipe import Recipe

MOMENTUM = 0.9
"""Of SGD; cirtorch's."""
FUSED = ("cpu", "cuda")
"""Devices on which torch moves all parameters in one kernel."""


def prepare(embedder: Embedder, recipe: Recipe) -> None:
    """Lay a network out for a training, and keep still what it does not learn.

    What is frozen stays in eval mode whatever train() says, and so do batch norms with
    freeze_batch_norm: these keep their statistics and learn their scales. Raises WorkError where
    the backbone has fewer blocks than are to learn, or where nothing would.
    """
    if recipe.train_blocks >= 0:
        _freeze(embedder.backbone, recipe.train_blocks, embedder.row.name)
    if not any(parameter.requires_grad for parameter in embedder.parameters()):
        raise WorkError(
            f"recipe.train_blocks=0 freezes {embedder.row.name}, which has no learned pooling and "
            "no learned head here, so nothing is trained: let blocks learn, or give "
            "projection=linear or pooling=gem_learned"
        )
    if recipe.freeze_batch_norm:
        for module in embedder.modules():
            if getattr(module, "running_var", None) is not None:
                _keep(module)
    if recipe.channels_last:
        embedder.to(memory_format=torch.channels_last)


def groups(embedder: Embedder, objective: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Group what learns by its learning rate, factor x recipe.lr, and by its weight decay.

    In the order of embedder.parameters(), the objective's after them; to be called after prepare.
    Raises WorkError where a backbone has no layers by which the learning rate could decay.
    """
    layers = _layer_factors(embedder.backbone, recipe.layer_decay)
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in _learning(embedder, objective):
        setting = _factor(name, layers, recipe), _weight_decay(name, parameter, recipe)
        found.setdefault(setting, []).append(parameter)
    return [
        {
            "params": parameters,
            "factor": factor,
            "lr": recipe.lr * factor,
            "weight_decay": weight_decay,
        }
        for (factor, weight_decay), parameters in found.items()
    ]


def make_optimiser(
    grouped: list[dict[str, Any]], recipe: Recipe, device: torch.device
) -> torch.optim.Optimizer:
    """Make the optimiser of a recipe; the weight decay of Adam and SGD is part of the gradient."""
    fused = device.type in FUSED
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(grouped, lr=recipe.lr, fused=fused)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(grouped, lr=recipe.lr, fused=fused)
    return torch.optim.SGD(grouped, lr=recipe.lr, momentum=MOMENTUM, fused=fused)


def _learning(embedder: Embedder, objective: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield what learns, by names that start with the part it is of."""
    named = chain(embedder.named_parameters(), objective.named_parameters(prefix="loss"))
    return ((name, parameter) for name, parameter in named if parameter.requires_grad)


def _factor(name: str, layers: Mapping[str, float], recipe: Recipe) -> float:
    part, _, rest = name.partition(".")
    if part == "backbone":
        return layers.get(rest, 1.0)
    return {"learned_pools": recipe.pooling_lr, "loss": recipe.loss_lr}.get(part, recipe.head_lr)


def _weight_decay(name: str, parameter: nn.Parameter, recipe: Recipe) -> float:
    """Poolings have none: a GeM whose p is pulled to 0 is no mean (cirtorch has none either)."""
    free = name.startswith("learned_pools.")
    if not recipe.decay_biases:
        free = free or parameter.ndim <= 1 or name.endswith(".bias")
    return 0.0 if free else recipe.weight_decay


def _layer_factors(backbone: nn.Module, decay: float) -> dict[str, float]:
    """Return decay^(layers behind) by name, as timm counts layers: blocks, not stages.

    The last layer's is 1, as is that of whatever follows the backbone (BEiT; Bao et al. 2022).
    """
    if decay == 1.0:
        return {}
    layers = _layers(backbone, coarse=False)
    last = max(layers.values())
    return {name: decay ** (last - layer) for name, layer in layers.items()}


def _freeze(backbone: nn.Module, blocks: int, name: str) -> None:
    """Keep all but the last blocks, and what follows them, as they are."""
    layers = _layers(backbone, coarse=True)
    patterns = _patterns(backbone)
    # the stem is layer 0; what no pattern names follows the last block
    count = max(layers[path] for path in layers if any(re.match(each, path) for each in patterns))
    if blocks > count:
        raise WorkError(
            f"recipe.train_blocks={blocks}: {name} has {count} blocks or stages; -1 trains them "
            "and what is before them"
        )
    first = count + 1 - blocks if blocks else max(layers.values()) + 1
    for path, parameter in backbone.named_parameters():
        if layers[path] < first:
            parameter.requires_grad_(False)
    for module in backbone.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            _keep(module)


def _layers(backbone: nn.Module, *, coarse: bool) -> dict[str, int]:
    """Number the layers by timm's grouping, from the stem's 0: by parameters' names."""
    matcher = getattr(backbone, "group_matcher", None)
    if matcher is None:
        raise WorkError(
            f"timm does not say which layers {type(backbone).__name__} has: leave out "
            "recipe.layer_decay and recipe.train_blocks"
        )
    found: dict[str, int] = group_parameters(backbone, matcher(coarse=coarse), reverse=True)
    return found


def _patterns(backbone: nn.Module) -> list[str]:
    """Return what names are matched with by timm's grouping: a pattern, or pairs with one first."""
    found = []
    for spec in backbone.group_matcher(coarse=True).values():  # type: ignore[operator]
        found += [spec] if isinstance(spec, str) else [pattern for pattern, _ in spec or ()]
    return found


def _keep(module: nn.Module) -> None:
    """Keep a module in eval mode, also where those around it are told to train."""
    module.train = MethodType(_stay, module)  # type: ignore[method-assign]
    module.eval()


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    return nn.Module.train(module, False)
