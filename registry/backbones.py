"""Backbones: one row each. Facts are checked against timm by tests/test_backbones.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from registry.table import Table

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)

DEIT = "Touvron et al. 2021, arXiv 2012.12877"
RESNET = "He et al. 2016, arXiv 1512.03385; torchvision V1 weights, the paper's ConvNet baselines"


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network without its classifier, and the preprocessing its weights were trained with."""

    name: str
    timm: str
    """Architecture and pretrained tag, as timm writes them: architecture.tag."""
    family: Literal["vit", "conv"]
    width: int
    """Native descriptor width: channels of the final feature map or tokens."""
    stride: int
    """Pixels that one final position stands for: the patch of a ViT, the total stride else."""
    input_size: int
    mparams: float
    """Millions of parameters without the classifier."""
    gmacs: float
    """Billions of multiply-accumulates of one image at input_size, attention included."""
    pooling: str
    """The pooling used when none is asked for."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    prefix: tuple[str, ...] = ()
    """Tokens in front of the patch tokens, in order: cls, dist, reg (registers)."""
    sized: bool = False
    """Whether the network is built for one image size (position embeddings, windows)."""
    arguments: tuple[tuple[str, str], ...] = ()
    """Extra arguments of timm.create_model."""
    licence: str
    """Of the pretrained weights."""
    source: str

    @property
    def any_shape(self) -> bool:
        """Whether it takes images of any shape: all but windows, whose tokens are no sequence."""
        return not self.sized or "cls" in self.prefix

    @property
    def architecture(self) -> str:
        """The timm name without the pretrained tag."""
        return self.timm.partition(".")[0]


def _deit(  # noqa: PLR0913 - a row has that many facts
    name: str,
    timm: str,
    *,
    width: int,
    mparams: float,
    gmacs: float,
    input_size: int = 224,
    distilled: bool = False,
) -> Backbone:
    return Backbone(
        name=name,
        timm=timm,
        family="vit",
        width=width,
        stride=16,
        input_size=input_size,
        mparams=mparams,
        gmacs=gmacs,
        pooling="cls",
        prefix=("cls", "dist") if distilled else ("cls",),
        sized=True,
        licence="apache-2.0",
        source=DEIT,
    )


def _resnet(name: str, *, width: int, mparams: float, gmacs: float) -> Backbone:
    return Backbone(
        name=name,
        timm=f"{name}.tv_in1k",
        family="conv",
        width=width,
        stride=32,
        input_size=224,
        mparams=mparams,
        gmacs=gmacs,
        pooling="gem",
        interpolation="bilinear",
        licence="bsd-3-clause",
        source=RESNET,
    )


BACKBONES: Table[Backbone] = Table(
    "backbone",
    [
        _deit(
            "deit_ti",
            "deit_tiny_patch16_224.fb_in1k",
            width=192,
            mparams=5.52,
            gmacs=1.25,
        ),
        _deit(
            "deit_s",
            "deit_small_patch16_224.fb_in1k",
            width=384,
            mparams=21.67,
            gmacs=4.60,
        ),
        _deit(
            "deit_b",
            "deit_base_patch16_224.fb_in1k",
            width=768,
            mparams=85.80,
            gmacs=17.56,
        ),
        _deit(
            "deit_ti_distilled",
            "deit_tiny_distilled_patch16_224.fb_in1k",
            width=192,
            mparams=5.52,
            gmacs=1.26,
            distilled=True,
        ),
        _deit(
            "deit_s_distilled",
            "deit_small_distilled_patch16_224.fb_in1k",
            width=384,
            mparams=21.67,
            gmacs=4.62,
            distilled=True,
        ),
        _deit(
            "deit_b_distilled",
            "deit_base_distilled_patch16_224.fb_in1k",
            width=768,
            mparams=85.80,
            gmacs=17.66,
            distilled=True,
        ),
        _deit(
            "deit_b_384",
            "deit_base_patch16_384.fb_in1k",
            width=768,
            mparams=86.09,
            gmacs=55.48,
            input_size=384,
        ),
        _deit(
            "deit_b_distilled_384",
            "deit_base_distilled_patch16_384.fb_in1k",
            width=768,
            mparams=86.09,
            gmacs=55.59,
            input_size=384,
            distilled=True,
        ),
        Backbone(
            name="dino_s16",
            timm="vit_small_patch16_224.dino",
            family="vit",
            width=384,
            stride=16,
            input_size=224,
            mparams=21.67,
            gmacs=4.60,
            pooling="cls",
            prefix=("cls",),
            sized=True,
            licence="apache-2.0",
            source="Caron et al. 2021, arXiv 2104.14294",
        ),
        Backbone(
            name="dinov2_s14",
            timm="vit_small_patch14_dinov2.lvd142m",
            family="vit",
            width=384,
            stride=14,
            input_size=518,
            mparams=22.06,
            gmacs=46.70,
            pooling="cls",
            prefix=("cls",),
            sized=True,
            licence="apache-2.0",
            source="Oquab et al. 2023, arXiv 2304.07193",
        ),
        Backbone(
            name="dinov2_b14",
            timm="vit_base_patch14_dinov2.lvd142m",
            family="vit",
            width=768,
            stride=14,
            input_size=518,
            mparams=86.58,
            gmacs=151.57,
            pooling="cls",
            prefix=("cls",),
            sized=True,
            licence="apache-2.0",
            source="Oquab et al. 2023, arXiv 2304.07193",
        ),
        Backbone(
            name="vit_s",
            timm="vit_small_patch16_224.augreg_in21k_ft_in1k",
            family="vit",
            width=384,
            stride=16,
            input_size=224,
            mparams=21.67,
            gmacs=4.60,
            pooling="cls",
            mean=HALF,
            std=HALF,
            prefix=("cls",),
            sized=True,
            licence="apache-2.0",
            source="Steiner et al. 2021, arXiv 2106.10270; ImageNet-21k, fine-tuned on 1k",
        ),
        Backbone(
            name="swin_t",
            timm="swin_tiny_patch4_window7_224.ms_in1k",
            family="vit",
            width=768,
            stride=32,
            input_size=224,
            mparams=27.52,
            gmacs=4.49,
            pooling="avg",
            sized=True,
            licence="mit",
            source="Liu et al. 2021, arXiv 2103.14030",
        ),
        Backbone(
            name="convnext_t",
            timm="convnext_tiny.fb_in1k",
            family="conv",
            width=768,
            stride=32,
            input_size=224,
            mparams=27.82,
            gmacs=4.45,
            pooling="avg",
            licence="apache-2.0",
            source="Liu et al. 2022, arXiv 2201.03545",
        ),
        _resnet("resnet18", width=512, mparams=11.18, gmacs=1.81),
        _resnet("resnet34", width=512, mparams=21.28, gmacs=3.66),
        _resnet("resnet50", width=2048, mparams=23.51, gmacs=4.09),
        _resnet("resnet101", width=2048, mparams=42.50, gmacs=7.80),
        Backbone(
            name="efficientnet_b0",
            timm="efficientnet_b0.ra_in1k",
            family="conv",
            width=1280,
            stride=32,
            input_size=224,
            mparams=4.01,
            gmacs=0.38,
            pooling="gem",
            licence="apache-2.0",
            source="Tan and Le 2019, arXiv 1905.11946",
        ),
        Backbone(
            name="mobilenetv2",
            timm="mobilenetv2_100.ra_in1k",
            family="conv",
            width=1280,
            stride=32,
            input_size=224,
            mparams=2.22,
            gmacs=0.30,
            pooling="gem",
            licence="apache-2.0",
            source="Sandler et al. 2018, arXiv 1801.04381",
        ),
        Backbone(
            name="tf_mobilenetv2",
            timm="mobilenetv2_100",
            family="conv",
            width=1280,
            stride=32,
            input_size=224,
            mparams=2.22,
            gmacs=0.30,
            pooling="gem",
            mean=HALF,
            std=HALF,
            arguments=(("pad_type", "same"),),
            licence="apache-2.0",
            source="Sandler et al. 2018 in TensorFlow's padding; timm hosts no weights for it: "
            "use weights=file: or dir:",
        ),
        Backbone(
            name="regnety_016",
            timm="regnety_016.tv2_in1k",
            family="conv",
            width=888,
            stride=32,
            input_size=224,
            mparams=10.31,
            gmacs=1.61,
            pooling="gem",
            licence="bsd-3-clause",
            source="Radosavovic et al. 2020, arXiv 2003.13678; torchvision V2 weights",
        ),
        Backbone(
            name="tiny_vit",
            timm="test_vit.r160_in1k",
            family="vit",
            width=64,
            stride=16,
            input_size=160,
            mparams=0.31,
            gmacs=0.04,
            pooling="cls",
            mean=HALF,
            std=HALF,
            prefix=("cls",),
            sized=True,
            licence="apache-2.0",
            source="timm's test model: for smoke tests, not for results",
        ),
        Backbone(
            name="tiny_conv",
            timm="test_resnet.r160_in1k",
            family="conv",
            width=96,
            stride=32,
            input_size=160,
            mparams=0.37,
            gmacs=0.10,
            pooling="gem",
            mean=HALF,
            std=HALF,
            interpolation="bilinear",
            licence="apache-2.0",
            source="timm's test model: for smoke tests, not for results",
        ),
    ],
)
