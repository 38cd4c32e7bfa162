"""Projections: from the pooled width to the asked number of dimensions, before l2-normalisation.

PCA comes before the normalisation, as in the paper (section 3.2).
"""

from dataclasses import dataclass

from registry.table import Table


@dataclass(frozen=True, kw_only=True)
class Projection:
    """How a pooled vector gets its size."""

    name: str
    meaning: str
    fitted: bool = False
    """Computed from the features of a training split, after any training."""
    learned: bool = False
    """Comes from training: a layer of the network, or the order of its numbers."""
    nested: bool = False
    """One training serves every size: its loss is over nested parts of the vector."""
    version: int = 1


PROJECTIONS: Table[Projection] = Table(
    "projection",
    [
        Projection(
            name="pca",
            meaning="principal components fitted on the training split, not whitened",
            fitted=True,
        ),
        Projection(
            name="linear",
            meaning="a linear head trained with the network",
            learned=True,
        ),
        Projection(
            name="matryoshka",
            meaning="the first numbers of a vector trained to be cut (Kusupati et al. 2022, "
            "arXiv 2205.13147): all sizes from one training",
            learned=True,
            nested=True,
        ),
        Projection(name="none", meaning="the backbone's own width"),
    ],
)
