"""Training recipes: one row each."""

from dataclasses import dataclass
from typing import Literal

from registry.table import Table

Selection = Literal["last", "validation", "test"]
"""Which checkpoint is evaluated: the last, or the best on validation classes or on the test's."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW, linear warm-up, cosine decay, class-balanced batches."""

    name: str
    meaning: str
    steps: int
    classes_per_batch: int
    images_per_class: int
    lr: float
    weight_decay: float
    warmup_steps: int
    clip_norm: float
    """Largest l2 norm of the whole gradient."""
    memory_share: float
    """Size of the cross-batch memory as a share of the training images; 0 = none."""
    memory_start: int
    """Step from which the memory is filled and used."""
    transform: str
    selection: Selection = "last"
    """The paper does not say, we take the last; test puts a mark on every number."""
    version: int = 1

    @property
    def batch_images(self) -> int:
        """Images in a batch."""
        return self.classes_per_batch * self.images_per_class


RECIPES: Table[Recipe] = Table(
    "recipe",
    [
        Recipe(
            name="twin",
            meaning="a minute on two cores, from scratch: for the twins",
            steps=180,
            classes_per_batch=8,
            images_per_class=2,
            lr=5e-4,
            weight_decay=0.05,
            warmup_steps=15,
            clip_norm=1.0,
            memory_share=0.2,
            memory_start=140,
            transform="short_random_flip",
        ),
        Recipe(
            name="smoke",
            meaning="seconds: shows that training runs, not that it learns",
            steps=30,
            classes_per_batch=8,
            images_per_class=2,
            lr=2e-3,
            weight_decay=0.05,
            warmup_steps=5,
            clip_norm=1.0,
            memory_share=0.2,
            memory_start=20,
            transform="short_random_flip",
        ),
    ],
)
