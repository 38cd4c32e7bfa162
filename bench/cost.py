"""What a descriptor costs: parameters, multiply-accumulates, bytes."""

from __future__ import annotations

from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.identity import Descriptors, Model
from bench.model import Embedder, create_backbone
from registry.projections import PROJECTIONS
from registry.timm_models import backbone_row

FLOAT32_BYTES = 4


def cost_of(descriptors: Descriptors) -> dict[str, float]:
    """Parameters, GMACs per image and bytes per image of a float32 descriptor.

    GMACs are multiply-accumulates of one image at the resolution it is evaluated at, attention
    included, without classifier, counted on the meta device, where fused attention is seen (on
    some CPU builds it counts 0). Papers call them GFLOPs. Parameters are the network's, without
    classifier; a PCA basis is not a parameter, its product is counted.
    """
    extraction, pooling = descriptors.features.extraction, descriptors.features.pooling
    model = extraction.model
    parameters, macs = _network_cost(model, extraction.resolution, pooling)
    width = backbone_row(model.backbone).width
    if descriptors.fit is not None and PROJECTIONS[descriptors.fit.projection].fitted:
        macs += width * descriptors.dims
    return {
        "parameters": parameters,
        "gmacs": macs / 1e9,
        "bytes_per_image": FLOAT32_BYTES * descriptors.dims,
    }


@cache
def _network_cost(model: Model, resolution: int, pooling: str) -> tuple[int, float]:
    row = backbone_row(model.backbone)
    with torch.device("meta"):
        embedder = Embedder(create_backbone(row, resolution), row, [pooling])
        embedder.eval().requires_grad_(False)
        if model.training and model.training.head_dims:
            embedder.add_head(model.training.head_dims)
        image = torch.zeros(1, 3, resolution, resolution, dtype=torch.uint8)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            embedder(image)
    parameters = sum(parameter.numel() for parameter in embedder.parameters())
    return parameters, counter.get_total_flops() / 2
