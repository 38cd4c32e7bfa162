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
    tuples: Tensor | None = None
    """(N,) int64 number of the tuple that each is of: anchor, positive, then negatives.

    None where a batch is not made of tuples.
    """
