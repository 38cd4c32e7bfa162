"""Presets: matrices with a name. An axis typed beside --preset replaces the preset's."""

from dataclasses import dataclass

from registry.table import Table


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A matrix as it would be typed."""

    name: str
    meaning: str
    matrix: tuple[str, ...]
    exclude: tuple[str, ...] = ()


CATEGORIES = "dataset=sop,cub,inshop"
LANDMARKS = "dataset=roxford,rparis"
LANDMARK_LOSS = "contrastive(beta=0.85)"
"""The margin that the paper names for landmarks, read as eq. 1's: a similarity."""

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
        ),
        Preset(
            name="irt-table4",
            meaning="the paper's Table 4: NSoftmax, SNCA and contrastive on SOP",
            matrix=(
                "dataset=sop",
                "backbone=resnet50,deit_s",
                "loss=nsoftmax,snca,contrastive",
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
        ),
        Preset(
            name="irt-table6",
            meaning="the paper's Table 6: lambda on landmarks",
            matrix=(
                LANDMARKS,
                "backbone=deit_s",
                f"loss={LANDMARK_LOSS}+koleo(lambda=0,1,2,3,4,5)",
            ),
        ),
        Preset(
            name="irt-table7",
            meaning="the paper's Table 7 but for R-MAC: backbones, sizes, resolutions",
            matrix=(
                LANDMARKS,
                "backbone=resnet50,resnet101,deit_s_distilled,deit_b_distilled,"
                "deit_b_distilled_384",
                f"loss={LANDMARK_LOSS}",
                "pooling=cls,gem_learned",  # p learns, as in cirtorch; a ConvNet has no CLS
                "resolution=224,384",
                "dims=128,native",
            ),
            exclude=(
                "backbone=deit_s_distilled,deit_b_distilled,deit_b_distilled_384 "
                "pooling=gem_learned",
                "backbone=resnet50,deit_s_distilled,deit_b_distilled resolution=384",
                "backbone=deit_b_distilled_384 resolution=224",
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
        ),
    ],
)
