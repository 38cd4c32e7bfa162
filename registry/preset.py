"""Preset: a matrix with a name, and what those of the paper have in common."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A matrix as it would be typed."""

    name: str
    meaning: str
    matrix: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    layout: str | None = None
    """The table of a paper that its cells are put into: a row of results/paper/layouts.py."""
    gaps: tuple[str, ...] = ()
    """What is not as in the paper, or not known to be: a sentence each."""


CATEGORIES = "dataset=sop,cub,inshop"
LANDMARKS = "dataset=roxford,rparis"
LANDMARK_LOSS = "contrastive(beta=0.85)"
"""The margin that the paper names for landmarks, read as eq. 1's: a similarity."""

CATEGORY_GAPS = (
    "categories: learning-rate schedule, warm-up, drop-path, sampler, precision, the start of the "
    "memory and the choice of the checkpoint are not stated: bench list recipe has ours, and why",
    "categories: how test images are resized and cropped is not stated: ours resizes the short "
    "side to 256 and takes the central 224",
)
LANDMARK_GAPS = (
    "landmarks: whether the margin 0.85 is a similarity (eq. 1) or a distance (cirtorch), the "
    "paper does not say: ours is a similarity; loss=contrastive_euclidean is the other",
    "landmarks: whether queries are cut to their box before they are squashed is not stated: ours "
    "are, as in cirtorch; crop=none is the other",
    "landmarks: the choice of the checkpoint is not stated: ours is the last; cirtorch takes "
    "that of the lowest validation loss",
    "ROxford, RParis: the paper is older than the archives with blurred faces (June 2022), which "
    "are those that can be had today",
)
ENTROPY_GAP = (
    "IRT_R: whether the entropy is that of the batch or of batch and memory is not stated: ours is "
    "the batch's; koleo_memory is the other"
)
RUNS_GAP = "the number of runs is not stated: ours is one, of seed 0; seed=0..2 makes three"
WEIGHTS_GAP = "the networks start from timm's copies of the public ImageNet weights"
PCA_GAPS = (
    "PCA: whether it whitens is not stated: ours does not",
    "PCA: on which images it is fitted is stated for landmarks alone (SfM-120k): ours takes the "
    "training split",
)
RESNET_GAP = (
    "R50 on SOP: pooling and recipe are not stated: ours are GeM with p = 3 and DeiT-S's recipe, "
    "batch norms trained"
)
DEIT_384_GAP = (
    "DeiT-B† at 384: whether the weights are the 224 or the 384 ones, the paper does not say: ours "
    "are the 384 ones; backbone=deit_b_distilled resolution=384 is the other"
)
ALWAYS = (WEIGHTS_GAP, RUNS_GAP)
