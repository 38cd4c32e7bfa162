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
    ],
)
