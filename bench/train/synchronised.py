"""Batch norms over all ranks: their statistics are the whole batch's, as in one process."""

from __future__ import annotations

import torch
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bench.train.group import Group
from bench.train.step import whole_only
from registry.errors import WorkError

FIX = "use a recipe that freezes them (freeze_batch_norm), or train in one process"


def synchronise(network: nn.Module, device: torch.device, group: Group) -> None:
    """Replace, in place, the batch norms of a network that are in training.

    Those in evaluation mode stay as they are, and parameters stay the same objects. Raises
    WorkError where norms of batches cannot be taken over several processes.
    """
    if group.size == 1 or not whole_only(network):
        return
    over = f"over {group.size} processes on {device.type}"
    if device.type != "cuda":
        raise WorkError(f"batch norms in training cannot be taken {over}: {FIX}")
    _replace(network)
    left = {type(module).__name__ for module in _mixing(network)} - _SYNCHRONISED
    if left:
        raise WorkError(
            f"norms of batches ({', '.join(sorted(left))}) cannot be taken {over}: {FIX}"
        )


_SYNCHRONISED = {"SyncBatchNorm", "SyncBatchNormAct"}


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, _BatchNorm) and child.training:
            module.add_module(name, convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]
        else:
            _replace(child)


def _mixing(module: nn.Module) -> list[nn.Module]:
    """The innermost modules whose output for one image depends on the others."""
    if not whole_only(module):
        return []
    within = [found for child in module.children() for found in _mixing(child)]
    return within or [module]
