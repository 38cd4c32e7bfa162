"""Presets: matrices with a name. An axis typed beside --preset replaces the preset's."""

from registry.figure_presets import FIGURE_PRESETS
from registry.preset import (
    ALWAYS,
    CATEGORIES,
    CATEGORY_GAPS,
    DEIT_384_GAP,
    ENTROPY_GAP,
    LANDMARK_GAPS,
    LANDMARK_LOSS,
    LANDMARKS,
    PCA_GAPS,
    RESNET_GAP,
    Preset,
)
from registry.table import Table

__all__ = ["PRESETS", "Preset"]

PRESETS: Table[Preset] = Table(
    "preset",
    [
        Preset(
            name="smoke",
            meaning="tiny networks on the twins, in seconds: does everything run?",
            matrix=("backbone=tiny_vit,tiny_conv", "dims=16,native", "recipe=smoke"),
        ),
        Preset(
            name="quickstart",
            meaning="the README's: a ViT against a ConvNet of equal cost, at two sizes",
            matrix=("dims=128,384", "backbone=deit_s,resnet50"),
        ),
        Preset(
            name="vit_vs_conv",
            meaning="pairs of about equal GMACs, at the paper's small size and their own",
            matrix=(
                "backbone=deit_ti,deit_s,swin_t,resnet18,resnet50,convnext_t",
                "dims=128,native",
            ),
        ),
        Preset(
            name="irt-table1",
            meaning="the paper's Table 1: parameters and FLOPS of its networks at 224 pixels",
            matrix=(
                "dataset=twin-cub@subset(classes=2,seed=0)",  # no image decides a cost
                "backbone=resnet50,deit_s,deit_s_distilled,resnet101,deit_b,deit_b_distilled",
                "weights=scratch",
                "loss=none",
                "resolution=224",
            ),
            layout="irt-table1",
            gaps=(
                "FLOPS: the paper does not say how it counts: 2 x MACs without the attention's own "
                "matrix products gives its DeiTs to 1 %, its ResNets to 2 %",
                "IN top-1: no classifier is measured here: the paper's numbers stand alone",
            ),
        ),
        Preset(
            name="irt-table2",
            meaning="the paper's Table 2, its own rows: IRT_R on SOP, CUB and In-Shop",
            matrix=(
                CATEGORIES,
                "backbone=deit_s,deit_s_distilled",
                "loss=contrastive+koleo",
                "dims=128,native",
            ),
            exclude=("backbone=deit_s_distilled dims=128",),
            layout="irt-table2",
            gaps=(
                *CATEGORY_GAPS,
                ENTROPY_GAP,
                *PCA_GAPS,
                *ALWAYS,
                "the other systems are published numbers alone",
            ),
        ),
        Preset(
            name="irt-table3",
            meaning="the paper's Table 3: IRT_O, IRT_L, IRT_R of DeiT-S on all five",
            matrix=(
                "dataset=sop,cub,inshop,roxford,rparis",
                "backbone=deit_s",
                f"loss=none,contrastive,contrastive+koleo,{LANDMARK_LOSS},"
                f"{LANDMARK_LOSS}+koleo(lambda=4)",
            ),
            exclude=(
                f"{CATEGORIES} loss={LANDMARK_LOSS},{LANDMARK_LOSS}+koleo(lambda=4)",
                f"{LANDMARKS} loss=contrastive,contrastive+koleo",
            ),
            layout="irt-table3",
            gaps=(*CATEGORY_GAPS, *LANDMARK_GAPS, ENTROPY_GAP, *ALWAYS),
        ),
        Preset(
            name="irt-table4",
            meaning="the paper's Table 4: NSoftmax, SNCA and contrastive on SOP",
            matrix=(
                "dataset=sop",
                "backbone=resnet50,deit_s",
                "loss=nsoftmax,snca,contrastive",
            ),
            layout="irt-table4",
            gaps=(
                *CATEGORY_GAPS,
                RESNET_GAP,
                "NSoftmax, SNCA: temperatures are not stated: ours are 0.05",
                *ALWAYS,
            ),
        ),
        Preset(
            name="irt-table5",
            meaning="the paper's Table 5: margin x lambda on SOP",
            matrix=(
                "dataset=sop",
                "backbone=resnet50,deit_s",
                "loss=contrastive(beta=0.1,0.3,0.5,0.7,0.9)+koleo(lambda=0,0.3,0.5,0.7,1)",
            ),
            layout="irt-table5",
            gaps=(*CATEGORY_GAPS, RESNET_GAP, ENTROPY_GAP, *ALWAYS),
        ),
        Preset(
            name="irt-table6",
            meaning="the paper's Table 6: lambda on landmarks",
            matrix=(
                LANDMARKS,
                "backbone=deit_s",
                f"loss={LANDMARK_LOSS}+koleo(lambda=0,1,2,3,4,5)",
            ),
            layout="irt-table6",
            gaps=(*LANDMARK_GAPS, *ALWAYS),
        ),
        Preset(
            name="irt-table7",
            meaning="the paper's Table 7: backbones, GeM and R-MAC, sizes, resolutions",
            matrix=(
                LANDMARKS,
                "backbone=resnet50,resnet101,deit_s_distilled,deit_b_distilled,"
                "deit_b_distilled_384",
                f"loss={LANDMARK_LOSS}",
                "pooling=cls,gem_learned,rmac",  # p learns, as in cirtorch; a ConvNet has no CLS
                "resolution=224,384",
                "dims=128,native",
            ),
            exclude=(
                "backbone=deit_s_distilled,deit_b_distilled,deit_b_distilled_384 "
                "pooling=gem_learned,rmac",
                "backbone=resnet50,deit_s_distilled,deit_b_distilled resolution=384",
                "backbone=deit_b_distilled_384 resolution=224",
            ),
            layout="irt-table7",
            gaps=(
                *LANDMARK_GAPS,
                PCA_GAPS[0],
                "R50, R101: whether they start from torchvision's or Caffe's weights, the paper "
                "does not say: ours are torchvision's",
                "GeM: whether p = 3 is learned is not stated: ours is, as in cirtorch",
                "R-MAC: whether regions are whitened before their sum, as where R-MAC comes from, "
                "is not stated: ours are not, as in cirtorch by default",
                DEIT_384_GAP,
                *ALWAYS,
            ),
        ),
        Preset(
            name="irt-table8",
            meaning="the paper's Table 8, its own rows: DeiT-B distilled at 384 pixels",
            matrix=(
                LANDMARKS,
                "backbone=deit_b_distilled_384",
                f"loss={LANDMARK_LOSS},{LANDMARK_LOSS}+koleo(lambda=4)",
                "dims=128,native",
            ),
            layout="irt-table8",
            gaps=(
                *LANDMARK_GAPS,
                PCA_GAPS[0],
                DEIT_384_GAP,
                "IRT_R of DeiT-B†: lambda is not stated: ours is 4, that of DeiT-S",
                *ALWAYS,
                "the other systems are published numbers alone, of larger images",
            ),
        ),
        Preset(
            name="irt-table9",
            meaning="the paper's Table 9: poolings of DeiT-S, IRT_L, on all five",
            matrix=(
                "dataset=sop,cub,inshop,roxford,rparis",
                "backbone=deit_s",
                "pooling=avg,max,gem,cls",
                f"loss=contrastive,{LANDMARK_LOSS}",
            ),
            exclude=(f"{CATEGORIES} loss={LANDMARK_LOSS}", f"{LANDMARKS} loss=contrastive"),
            layout="irt-table9",
            gaps=(*CATEGORY_GAPS, *LANDMARK_GAPS, *ALWAYS),
        ),
        *FIGURE_PRESETS,
    ],
)
