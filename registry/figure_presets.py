"""Presets of the paper's figures 2 to 5: the cells that bench report draws them from.

Cells are those of the paper's tables where these have them: a training serves both.
"""

from registry.preset import (
    ALWAYS,
    CATEGORY_GAPS,
    ENTROPY_GAP,
    LANDMARK_GAPS,
    LANDMARK_LOSS,
    PCA_GAPS,
    RESNET_GAP,
    Preset,
)

ENERGY_GAPS = (
    "energy: whether the features are of the test images, l2-normalised and centred is not stated: "
    "ours are the evaluated images' unit descriptors, by the eigenvalues of their covariance",
    "the paper prints no values of its curves: they can be compared by eye alone",
)

FIGURE_PRESETS = (
    Preset(
        name="irt-fig2",
        meaning="the paper's Figure 2: energy of R50's principal components on SOP, by lambda",
        matrix=(
            "dataset=sop",
            "backbone=resnet50",
            "loss=none,contrastive(beta=0.5)+koleo(lambda=0,0.3,0.7,1)",
        ),
        gaps=(*ENERGY_GAPS, *CATEGORY_GAPS, RESNET_GAP, ENTROPY_GAP, *ALWAYS),
    ),
    Preset(
        name="irt-fig3",
        meaning="the paper's Figure 3: the same of DeiT-S and R50, lambda 0 and 1",
        matrix=(
            "dataset=sop",
            "backbone=deit_s,resnet50",
            "loss=contrastive(beta=0.5)+koleo(lambda=0,1)",
        ),
        gaps=(*ENERGY_GAPS, *CATEGORY_GAPS, RESNET_GAP, ENTROPY_GAP, *ALWAYS),
    ),
    Preset(
        name="irt-fig4",
        meaning="the paper's Figure 4: spread of the contrastive gradients, margin x lambda",
        matrix=(
            "dataset=sop",
            "backbone=deit_s",
            "loss=contrastive(beta=0.1,0.3,0.5,0.7)+koleo(lambda=0,0.3,0.7,1)",
        ),
        gaps=(
            "backbone and dataset are not stated: ours are DeiT-S and SOP, whose margins and "
            "lambdas Table 5 has; backbone=resnet50 is the other",
            "gradients: whether their directions are normalised is not stated: ours are taken as "
            "they are; unit vectors would have a nuclear norm near 1, the paper's axis ends "
            "at 0.00045",
            "gradients: whether they are by the descriptors before or after l2-normalisation, and "
            "whether pairs with the memory count, is not stated: ours are by the unit descriptors "
            "of a batch, pairs with the memory among them",
            "the paper prints no values of its curves, nor all of their margins",
            *CATEGORY_GAPS,
            ENTROPY_GAP,
            *ALWAYS,
        ),
    ),
    Preset(
        name="irt-fig5",
        meaning="the paper's Figure 5: similarities of positive and negative pairs, RParis Medium",
        matrix=(
            "dataset=rparis",
            "backbone=deit_s",
            f"loss=none,{LANDMARK_LOSS},{LANDMARK_LOSS}+koleo(lambda=4)",
            "resolution=224",
            "dims=256",
        ),
        gaps=(
            "pairs: what are pairs is not stated: ours are a query with its easy and hard images "
            "(positive) and with all others but its junk (negative), as Medium has them",
            "the paper's heights have no unit: ours are shares of all positive, and of all "
            "negative pairs",
            *LANDMARK_GAPS,
            PCA_GAPS[0],
            ENTROPY_GAP,
            *ALWAYS,
        ),
    ),
)
