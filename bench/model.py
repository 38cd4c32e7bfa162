"""Backbone + pooling + head -> one vector per image.

Legend: B images, S pixels a side, P prefix tokens, H x W = N positions, C channels, D dims.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bench.identity import Model
from registry.backbones import Backbone
from registry.errors import WorkError
from registry.poolings import POOLINGS, Pool, Tokens
from registry.timm_models import backbone_row
from registry.weights import parse_weights


class UnreachableWeightsError(WorkError):
    """Pretrained weights that could not be had: asking again for every dataset is no use."""


class Embedder(nn.Module):
    """A backbone with one or several poolings, and a linear head where one is learned."""

    def __init__(self, backbone: nn.Module, row: Backbone, poolings: Sequence[str]) -> None:
        super().__init__()
        self.row = row
        self.backbone = backbone
        pools = {name: POOLINGS[name].build() for name in poolings}
        self.pools: dict[str, Pool] = pools
        self.learned_pools = nn.ModuleDict(
            {name: pool for name, pool in pools.items() if isinstance(pool, nn.Module)}
        )
        self.head: nn.Module = nn.Identity()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(row.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(row.std).view(1, 3, 1, 1), persistent=False)

    def take_images_of(self, resolution: int) -> None:
        """Lay position embeddings out for another size: interpolated, as timm does."""
        try:
            self.backbone.set_input_size(img_size=(resolution, resolution))  # type: ignore[operator]
        except (AttributeError, AssertionError, TypeError) as error:
            raise WorkError(
                f"{self.row.name} cannot be evaluated at {resolution} pixels after training at "
                f"another size ({_first_line(error)}): leave out test_resolution"
            ) from error

    def add_head(self, dims: int) -> None:
        """Learn a linear projection to dims, without bias: descriptors are l2-normalised after."""
        self.head = nn.Linear(self.row.width, dims, bias=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Embed (B, 3, S, S) uint8 images: pooling -> (B, C), or (B, D) with a head."""
        tokens = self.tokens((images.float() / 255 - self.mean) / self.std)
        return {name: self.head(pool(tokens)) for name, pool in self.pools.items()}

    def tokens(self, inputs: Tensor) -> Tokens:
        """Run the backbone on normalised (B, 3, h, w) images."""
        features = self.backbone.forward_features(inputs)  # type: ignore[operator]
        if features.ndim == 3:  # tokens
            norm = getattr(self.backbone, "fc_norm", None)  # ViTs that pool before their norm
            features = features if norm is None else norm(features)
            first = len(self.row.prefix)
            prefix, positions = features[:, :first], features[:, first:]
            return Tokens(prefix, positions, _rows(positions.shape[1], inputs))
        if features.shape[-1] == self.row.width != features.shape[1]:  # (B, H, W, C)
            rows, features = features.shape[1], features.flatten(1, 2)
        else:  # (B, C, H, W)
            rows, features = features.shape[2], features.flatten(2).transpose(1, 2)
        return Tokens(features[:, :0], features, rows)


def build_embedder(
    model: Model, poolings: Sequence[str], *, any_shape: bool = False, drop_path: float = 0.0
) -> Embedder:
    """Build a model with its first weights; what training adds is loaded by the weights stage.

    drop_path is the largest rate at which residual branches are left out in training. Raises
    WorkError where weights cannot be had or do not fit, naming the fix.
    """
    row = backbone_row(model.backbone)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.training.seed if model.training else model.scratch_seed or 0)
        options = {"drop_path_rate": drop_path} if drop_path else {}
        backbone = _load_backbone(row, model, any_shape=any_shape and row.sized, **options)
        embedder = Embedder(backbone, row, poolings)
        if model.training and model.training.head_dims:
            embedder.add_head(model.training.head_dims)
    return embedder


def create_backbone(
    row: Backbone, resolution: int, *, any_shape: bool = False, **loading: Any
) -> nn.Module:
    """Build the timm model without its classifier, for one resolution.

    With any_shape its position embeddings are interpolated anew for the shape of each batch.
    """
    size: dict[str, Any] = {"img_size": resolution} if row.sized else {}
    size |= {"dynamic_img_size": True} if any_shape else {}
    name = row.timm if "pretrained" in loading else row.architecture
    options: dict[str, Any] = {"num_classes": 0, **size, **dict(row.arguments), **loading}
    try:
        network: nn.Module = timm.create_model(name, **options)
    except (AssertionError, TypeError) as error:
        if "drop_path_rate" in str(error):
            raise WorkError(
                f"{row.name} has no residual branches to leave out: give recipe.drop_path=0"
            ) from error
        raise WorkError(
            f"timm cannot build {row.name} for {resolution} pixels ({_first_line(error)}): "
            f"its own size is {row.input_size}"
        ) from error
    return network


def _load_backbone(row: Backbone, model: Model, *, any_shape: bool, **options: Any) -> nn.Module:
    weights = parse_weights(model.weights)
    file = weights.file_for(row)
    size = _built_for(row, model, any_shape=any_shape)
    if file is not None:
        return _from_file(row, size, file, any_shape=any_shape, **options)
    if weights.kind == "scratch":
        return create_backbone(row, size, any_shape=any_shape, **options)
    try:
        return create_backbone(row, size, any_shape=any_shape, pretrained=True, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise UnreachableWeightsError(
            f"cannot get the pretrained weights {row.timm} ({_first_line(error)}): connect to the "
            f"network once, or fetch the file elsewhere and give weights=file:PATH or weights=dir:"
            f"FOLDER with {row.architecture}.safetensors in it, or weights=scratch"
        ) from error


def _built_for(row: Backbone, model: Model, *, any_shape: bool) -> int:
    """Return the size that position embeddings are laid out for.

    Of a network that takes any shape and is not trained here, its own: they are interpolated once,
    for the image.
    """
    return row.input_size if any_shape and not model.training else model.resolution


def _from_file(
    row: Backbone, resolution: int, file: Path, *, any_shape: bool, **options: Any
) -> nn.Module:
    """Load a state dict strictly: timm would quietly keep random weights for missing keys.

    It turns its strictness off where the classifier is not the one its configuration names, so the
    network is built with the file's own classifier first.
    """
    state = read_state_dict(file)
    classes = _classes(row, state)
    overlay = {"state_dict": state, "num_classes": classes}
    try:
        network = create_backbone(
            row,
            resolution,
            any_shape=any_shape,
            num_classes=classes,
            pretrained=True,
            pretrained_cfg_overlay=overlay,
            **options,
        )
    except (RuntimeError, KeyError, AttributeError, ValueError) as error:
        raise WorkError(
            f"the weights in {file} are not those of {row.name} ({row.architecture}): "
            f"{_misfit(row, resolution, state) or _first_line(error)}"
        ) from error
    network.reset_classifier(0)  # type: ignore[operator]
    return network


def _classes(row: Backbone, state: dict[str, Tensor]) -> int:
    """Return the number of classes of a state dict's classifier, 0 without one."""
    names: Any = getattr(timm.get_pretrained_cfg(row.timm), "classifier", None)
    first = names[0] if isinstance(names, tuple) else names
    weight = state.get(f"{first}.weight")
    return 0 if weight is None else len(weight)


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """Read a .safetensors or .pth state dict; a pickle may hold tensors and builtins only."""
    try:
        if file.suffix == ".safetensors":
            state: Any = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WorkError(
            f"cannot read weights {file} ({_first_line(error)}): it is damaged, or holds more "
            "than tensors, which is never loaded; save a state dict and try again"
        ) from error
    for wrapper in ("state_dict", "model", "teacher"):
        inner = state.get(wrapper) if isinstance(state, dict) else None
        state = inner if isinstance(inner, dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WorkError(f"{file} holds no state dict: name -> tensor is what is needed")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _misfit(row: Backbone, resolution: int, state: dict[str, Tensor]) -> str:
    """Say which keys of a state dict are missing, unexpected or of another shape."""
    with torch.device("meta"):
        wanted = create_backbone(row, resolution).state_dict()
    shapes = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted.keys() & state.keys()
        if state[name].shape != wanted[name].shape
    ]
    parts = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": sorted(state.keys() - wanted.keys()),
        "other shapes": sorted(shapes),
    }
    return "; ".join(
        f"{len(names)} {what}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
        for what, names in parts.items()
        if names
    )


def _rows(positions: int, inputs: Tensor) -> int:
    """Return how many rows patch tokens form: they are spread over (B, 3, h, w) images evenly."""
    height, width = inputs.shape[2:]
    return round(math.sqrt(positions * height / width))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
