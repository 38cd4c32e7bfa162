"""registry.backbones: every fact of every row, asked of timm on the meta device."""

import pytest
import timm
import torch

from bench.cost import cost_of
from bench.identity import Descriptors, Extraction, Features, Model
from bench.model import Embedder, create_backbone
from registry.backbones import BACKBONES
from registry.timm_models import backbone_row, timm_backbone

ROWS = pytest.mark.parametrize("row", BACKBONES.values(), ids=BACKBONES)


def model_of(row, resolution=None):
    return Model(row.name, "scratch", resolution or row.input_size, 0, None)


def extraction_of(model, resolution=None):
    about = ("twin-sop", "", resolution or model.resolution, "evaluated", "short_center", None)
    return Extraction(model, *about, skip_bad_images=False)


@ROWS
def test_facts_are_timms(row):
    config = timm.get_pretrained_cfg(row.timm).to_dict()
    if row.arguments:  # built otherwise than timm's own weights: mean and std are its source's
        return
    assert config["input_size"] == (3, row.input_size, row.input_size)
    assert (config["mean"], config["std"]) == (row.mean, row.std)
    assert config["interpolation"] == row.interpolation
    assert config.get("license") == row.licence
    assert config["tag"] == row.timm.partition(".")[2]


@ROWS
def test_width_prefix_and_stride_are_the_networks(row):
    with torch.device("meta"):
        network = Embedder(create_backbone(row, row.input_size), row, [row.pooling]).eval()
        inputs = torch.zeros(1, 3, row.input_size, row.input_size)
        tokens = network.tokens(inputs)
    side = row.input_size // row.stride
    assert tokens.prefix.shape == (1, len(row.prefix), row.width)
    assert tokens.positions.shape == (1, side * side, row.width)
    assert tokens.grid.shape == (1, side, side, row.width)


@ROWS
def test_cost_is_the_networks(row):
    extraction = extraction_of(model_of(row))
    cost = cost_of(Descriptors(Features(extraction, row.pooling), None, row.width))
    assert cost["gmacs"] == pytest.approx(row.gmacs, abs=0.006)
    assert cost["parameters"] / 1e6 == pytest.approx(row.mparams, abs=0.006)


@pytest.mark.parametrize(
    ("name", "gflops"),
    [
        ("deit_s", 8.48),
        ("deit_s_distilled", 8.52),
        ("deit_b", 33.70),
        ("deit_b_distilled", 33.87),
        ("deit_b_distilled_384", 98.86),
        ("resnet50", 8.17),
        ("resnet101", 15.60),
    ],
)
def test_gflops_as_the_paper_counts_them(name, gflops):
    """Its own: 8.4, 8.5, 33.7, 33.8, 98.8, 8.3, 15.7. Of DeiT by hand: 12 blocks of 12 N D^2."""
    row = BACKBONES[name]
    cost = cost_of(Descriptors(Features(extraction_of(model_of(row)), row.pooling), None, 1))
    assert cost["gflops_paper"] == pytest.approx(gflops, abs=0.01)
    if row.family == "vit":
        tokens, patches = (row.input_size // 16) ** 2 + len(row.prefix), row.input_size**2
        by_hand = 2 * (12 * 12 * tokens * row.width**2 + 3 * patches * row.width)
        assert cost["gflops_paper"] == pytest.approx(by_hand / 1e9, rel=1e-9)


@ROWS
def test_every_row_runs_at_the_twins_size(row):
    resolution = 64 if 64 % row.stride == 0 else 4 * row.stride
    with torch.device("meta"):
        backbone = create_backbone(row, resolution)
        network = Embedder(backbone, row, [row.pooling]).eval()
        vectors = network(torch.zeros(2, 3, resolution, resolution, dtype=torch.uint8))
    assert vectors[row.pooling].shape == (2, row.width)


def test_any_timm_model_has_a_row_with_the_facts_of_ours():
    ours, asked = BACKBONES["deit_s"], timm_backbone("timm:deit_small_patch16_224.fb_in1k")
    for fact in ("timm", "family", "width", "stride", "input_size", "pooling", "mean", "std"):
        assert getattr(asked, fact) == getattr(ours, fact)
    assert asked.prefix == ("cls",)
    assert asked.gmacs == pytest.approx(ours.gmacs, rel=0.01)
    assert backbone_row("deit_s") is ours


def test_a_timm_model_that_is_not_there_names_near_ones():
    with pytest.raises(Exception, match=r"timm has no model 'resnet5'; did you mean timm:resnet"):
        timm_backbone("timm:resnet5")
