"""Space: what a loss with parameters of its own is built for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Space:
    """The descriptors that a loss will see, and the classes that label them."""

    classes: int
    """Of the training images; labels are 0 .. classes - 1."""
    dims: int
