"""Labelled descriptors: what a loss is computed on."""

from typing import NamedTuple

from torch import Tensor


class Labelled(NamedTuple):
    """N unit descriptors with the class and the identity of the image each came from."""

    descriptors: Tensor
    """(N, D) float, l2-normalised."""
    labels: Tensor
    """(N,) int64 classes."""
    images: Tensor
    """(N,) int64 positions in the training split: pairs of one image with itself are no pairs."""
