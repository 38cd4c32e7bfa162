"""backbone=timm:NAME, any model of timm: its row, asked of timm itself."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from registry.backbones import BACKBONES, Backbone
from registry.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

TIMM_PREFIX = "timm:"


def backbone_row(text: str) -> Backbone:
    """Return the row of a backbone's name or timm:NAME."""
    return timm_backbone(text) if text.startswith(TIMM_PREFIX) else BACKBONES[text]


@lru_cache(maxsize=64)
def timm_backbone(text: str) -> Backbone:
    """Build the model on the meta device, where it costs nothing, and read its facts off.

    Imports timm and torch: no row written by hand can know every model of timm. Raises UsageError
    for a model that is not there, and for one whose final features are no map or tokens.
    """
    import timm

    name = text.removeprefix(TIMM_PREFIX)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(TIMM_PREFIX + word for word in near)}?" if near else ""
        raise UsageError(f"timm has no model {name!r}{hint} (bench list backbone shows our rows)")
    try:
        return _row(text, *_build(name))
    except (RuntimeError, AssertionError, ValueError, AttributeError, TypeError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"backbone={text} cannot be used: {why}") from error


def _build(name: str) -> tuple[nn.Module, Tensor, float]:
    """Return the model on the meta device, its final features and its GMACs for one image."""
    import timm
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model: Any = timm.create_model(name, num_classes=0).eval().requires_grad_(False)
        inputs = torch.zeros(1, *model.pretrained_cfg["input_size"])
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            features = model.forward_features(inputs)
    return model, features, counter.get_total_flops() / 2e9


def _row(text: str, model: Any, features: Tensor, gmacs: float) -> Backbone:
    import timm

    config = model.pretrained_cfg
    tag, prefix = config.get("tag") or "", _prefix(model, features)
    is_map = features.ndim == 4
    attends = any("Attention" in type(module).__name__ for module in model.modules())
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    return Backbone(
        name=text,
        timm=f"{config['architecture']}.{tag}" if tag else str(config["architecture"]),
        family="conv" if is_map and not attends else "vit",
        width=int(model.num_features),
        stride=_side(patch) if patch and not is_map else 1,
        input_size=int(config["input_size"][-1]),
        mparams=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        gmacs=gmacs,
        pooling="cls" if "cls" in prefix else "gem" if is_map and not attends else "avg",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        prefix=prefix,
        sized=getattr(getattr(model, "patch_embed", None), "img_size", None) is not None,
        licence=str(config.get("license") or "unknown"),
        source=f"timm {timm.__version__}",
    )


def _side(patch: Any) -> int:
    return int(patch if isinstance(patch, int) else patch[0])


def _prefix(model: Any, features: Tensor) -> tuple[str, ...]:
    """Name the tokens in front of the patch tokens: class, distillation, then registers."""
    if not hasattr(features, "ndim") or features.ndim not in (3, 4):
        raise TypeError("its final features are neither a map nor tokens")
    named = [
        token
        for token, attribute in (("cls", "cls_token"), ("dist", "dist_token"))
        if getattr(model, attribute, None) is not None
    ]
    count = getattr(model, "num_prefix_tokens", None)
    if named and count is None:
        raise TypeError("timm does not say which of its tokens is the class token")
    return tuple(named + ["reg"] * (int(count or 0) - len(named)))
