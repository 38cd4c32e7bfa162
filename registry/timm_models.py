"""backbone=timm:NAME, any model of timm: its row, asked of timm itself."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from registry.backbones import BACKBONES, Backbone
from registry.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

TIMM_PREFIX = "timm:"


def backbone_row(text: str) -> Backbone:
    """Return the row of a backbone's name or timm:NAME."""
    return timm_backbone(text) if text.startswith(TIMM_PREFIX) else BACKBONES[text]


@lru_cache(maxsize=64)
def timm_backbone(text: str) -> Backbone:
    """Build the model on the meta device, where it costs nothing, and read its facts off.

    Imports timm and torch: no row written by hand can know every model of timm.
    """
    import timm
    import torch

    name = text.removeprefix(TIMM_PREFIX)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(TIMM_PREFIX + word for word in near)}?" if near else ""
        raise UsageError(f"timm has no model {name!r}{hint} (bench list backbone shows our rows)")
    with torch.device("meta"):
        model: nn.Module = timm.create_model(name, num_classes=0)
    config: Any = model.pretrained_cfg
    prefix, stride = int(getattr(model, "num_prefix_tokens", 0)), _stride(model)
    tag = config.get("tag") or ""
    return Backbone(
        name=text,
        timm=f"{config['architecture']}.{tag}" if tag else str(config["architecture"]),
        family=_family(model),
        width=int(str(model.num_features)),
        stride=stride,
        input_size=int(config["input_size"][-1]),
        mparams=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        gmacs=_gmacs(model, config["input_size"]),
        pooling="cls" if prefix else "gem" if _family(model) == "conv" else "avg",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        prefix_tokens=prefix,
        sized=_sized(model),
        licence=str(config.get("license") or "unknown"),
        source=f"timm {timm.__version__}",
    )


def _gmacs(model: nn.Module, size: tuple[int, int, int]) -> float:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, *size, device="meta"))
    return float(counter.get_total_flops() / 2e9)


def _family(model: nn.Module) -> Literal["vit", "conv"]:
    names = {type(module).__name__ for module in model.modules()}
    return "vit" if any("Attention" in name for name in names) else "conv"


def _stride(model: nn.Module) -> int:
    info: Any = getattr(model, "feature_info", None)
    steps = [int(stage["reduction"]) for stage in info] if isinstance(info, list) else []
    return max(steps, default=1)


def _sized(model: nn.Module) -> bool:
    embed = getattr(model, "patch_embed", None)
    return getattr(embed, "img_size", None) is not None
