"""Loss: what a row of LOSSES says of one term of an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.losses.space import Space

if TYPE_CHECKING:
    from torch import Tensor

    from registry.losses.labelled import Labelled

    LossFunction = Callable[[Labelled, Labelled | None], Tensor]
    """loss(batch, memory) -> scalar; memory is None until it has started.

    An nn.Module where it has parameters of its own, such as proxies.
    """


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A term of an objective over a batch and, where there is one, a cross-batch memory."""

    name: str
    meaning: str
    source: str
    build: Callable[[Mapping[str, float], Space], LossFunction] | None
    """Parameters -> function; None trains nothing."""
    parameters: tuple[tuple[str, float], ...] = ()
    """Names and default values."""
    regulariser: bool = False
    """Whether it is only of use beside another; its weight is among its parameters."""
    uses_memory: bool = True
    """Whether it compares with what a cross-batch memory holds."""
    margin: str = ""
    """The parameter that is the cosine below which a negative pair is left alone."""
    extra: str = ""
    """Of this distribution, that has to be installed for it."""
    version: int = 1
