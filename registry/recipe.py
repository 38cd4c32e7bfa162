"""Recipe: everything about a training but its network, its images and its loss."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Literal

WORDS = ("name", "meaning", "reasons")
"""Fields for people."""
OF_SELECTION = ("validation_share", "validate_every")
"""Fields that change nothing where the last checkpoint is taken."""
Selection = Literal["last", "validation", "test"]
"""Which checkpoint is evaluated: the last, or the best on validation classes or on the test's."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained. A field's default is what changes nothing.

    Learning rates of parts are factors of lr.
    """

    name: str
    meaning: str
    reasons: tuple[tuple[str, str], ...] = ()
    """Fields that the source leaves open, and why they have the value that they have."""

    steps: int
    batch_images: int
    sampler: Literal["class_balanced", "random", "hard_class", "tuples"] = "class_balanced"
    images_per_class: int = 2
    """Of the class-balanced samplers."""
    transform: str
    """Of training images: a row of AUGMENTATIONS."""

    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float
    weight_decay: float
    decay_biases: bool = True
    """Whether weight decay also pulls at biases and norms."""
    schedule: Literal["cosine", "constant", "exponential"] = "cosine"
    warmup_steps: int = 0
    epoch_steps: int = 0
    """After so many steps the rate decays exponentially, and tuples or hard classes are mined."""
    decay: float = 1.0
    """Factor of the learning rate per epoch_steps, of the exponential schedule."""
    clip_norm: float = 0.0
    """Largest l2 norm of the whole gradient; 0 = whatever it is."""
    layer_decay: float = 1.0
    """Factor of the learning rate per layer, from the last one backwards."""
    train_blocks: int = -1
    """How many last blocks of the backbone learn; 0 = it is frozen, -1 = all of it learns."""
    pooling_lr: float = 1.0
    """Of learned poolings (GeM's p), which have no weight decay."""
    head_lr: float = 1.0
    loss_lr: float = 1.0
    """Of what a loss learns (proxies)."""

    memory_share: float = 0.0
    """Size of the cross-batch memory as a share of the training images; 0 = none."""
    memory_start: int = 0
    """Step from which the memory is filled and used."""
    memory_order: Literal["after", "before"] = "after"
    """Whether a batch joins the memory after its loss or before it; pairs with itself never count.
    """
    memory_momentum: float = 0.0
    """Of the encoder that fills the memory, a moving average of the network; 0 = the network."""

    drop_path: float = 0.0
    freeze_batch_norm: bool = False
    """Whether batch norms keep their statistics."""
    ema: float = 0.0
    """Decay of the moving average of all weights that is kept instead of the last; 0 = none."""
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    """Of the network's products; losses and weights are always float32."""
    channels_last: bool = False
    compile: bool = False
    """Whether torch.compile is used: minutes first, then faster on most GPUs."""

    pairs_per_epoch: int = 0
    """Of the tuples sampler: anchors with a positive, drawn each epoch_steps."""
    pool_images: int = 0
    """Candidates that negatives are mined among."""
    negatives: int = 0
    """In each tuple."""

    selection: Selection = "last"
    """test puts a mark on every number."""
    validation_share: float = 0.1
    """Of the training classes that are held out, where the checkpoint is selected on them."""
    validate_every: int = 0
    """Steps between two looks at R@1, where something is selected; 0 = a tenth of all steps."""
    version: int = 1

    @property
    def classes_per_batch(self) -> int:
        """Of the class-balanced samplers."""
        return self.batch_images // self.images_per_class

    @property
    def validation_steps(self) -> int:
        """Steps between two looks at R@1."""
        return self.validate_every or max(1, self.steps // 10)


def settings(recipe: Recipe) -> dict[str, object]:
    """What a training's numbers depend on: a field that changes nothing is left out.

    So a field that is added to Recipe leaves every key as it was.
    """
    neutral = {field.name: field.default for field in fields(Recipe)} | {"version": MISSING}
    idle = OF_SELECTION if recipe.selection == "last" else ()
    return {
        name: value
        for name, value in vars(recipe).items()
        if name not in (*WORDS, *idle) and (neutral[name] is MISSING or value != neutral[name])
    }
