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
BETWEEN_TOKENS = ("bmm", "scaled_dot_product")
"""Parts of the names of the operations whose factors both come from the image: attention's."""


def cost_of(descriptors: Descriptors) -> dict[str, float]:
    """Parameters, GMACs and GFLOPs per image, and bytes per image of a float32 descriptor.

    GMACs are multiply-accumulates of one image at the resolution it is evaluated at, attention
    included, without classifier, counted on the meta device, where fused attention is seen (on
    some CPU builds it counts 0). Papers call them GFLOPs. gflops_paper counts as the Tables 1 and 8
    of arXiv 2102.05644 do: 2 x MACs, without the two products of each attention. Parameters are
    the network's, without classifier; a PCA basis is not a parameter, its product is counted.
    """
    extraction, pooling = descriptors.features.extraction, descriptors.features.pooling
    model = extraction.model
    parameters, macs, attention = _network_cost(model, extraction.resolution, pooling)
    width = backbone_row(model.backbone).width
    if descriptors.fit is not None and PROJECTIONS[descriptors.fit.projection].fitted:
        macs += width * descriptors.dims
    return {
        "parameters": parameters,
        "gmacs": macs / 1e9,
        "gflops_paper": 2 * (macs - attention) / 1e9,
        "bytes_per_image": FLOAT32_BYTES * descriptors.dims,
    }


@cache
def _network_cost(model: Model, resolution: int, pooling: str) -> tuple[int, float, float]:
    """Parameters, multiply-accumulates, and those of them that are between tokens."""
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
    between = sum(
        flops
        for operation, flops in counter.get_flop_counts()["Global"].items()
        if any(name in str(operation) for name in BETWEEN_TOKENS)
    )
    return parameters, counter.get_total_flops() / 2, between / 2
