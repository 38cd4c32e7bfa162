"""Evaluation at another size than training: timm's interpolation, and what it costs."""

import pytest
import timm
import torch
from safetensors.torch import save
from timm.layers.pos_embed import resample_abs_pos_embed

from bench.cost import cost_of
from bench.execution.artifacts import Artifacts
from bench.identity import Descriptors, Features, scores_of
from bench.job import resolve
from bench.model import Embedder, build_embedder, create_backbone
from bench.pixels import Cache
from bench.progress import Silent
from bench.stages.context import Context
from bench.stages.weights import STATE, load_embedder
from registry.backbones import BACKBONES
from registry.errors import WorkError

SIZED = [row for row in BACKBONES.values() if row.sized]
CELL = {"dataset": "twin-sop", "resolution": "64"}


def descriptors_of(**cell):
    job = resolve({**CELL, **cell})
    return scores_of(job, skip_bad_images=False).descriptors


def pixels(size):
    torch.manual_seed(0)
    return torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8)


@pytest.fixture
def context(tmp_path, data):
    artifacts = Artifacts(tmp_path / "runs")
    artifacts.prepare()
    cache = Cache(tmp_path / "cache", 10**9)
    return Context(artifacts, data, torch.device("cpu"), Silent(), cache)


@pytest.fixture
def trained(context):
    """Weights as a training leaves them, of a model that is trained at 64 pixels."""

    def make(backbone):
        extraction = descriptors_of(backbone=backbone).features.extraction
        embedder = build_embedder(extraction.model, [])
        with torch.no_grad():
            for parameter in embedder.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
        state = embedder.state_dict()
        context.publish(extraction.model, lambda to: (to / STATE).write_bytes(save(state)))
        return extraction.model, {
            name.removeprefix("backbone."): value for name, value in state.items()
        }

    return make


@torch.inference_mode()
@pytest.mark.parametrize("backbone", ["tiny_vit", "deit_ti"])  # the first takes any size by itself
def test_position_embeddings_are_interpolated_as_timm_does(trained, context, backbone):
    model, state = trained(backbone)
    found = load_embedder(model, ["cls", "avg"], context, resolution=96).eval()
    state["pos_embed"] = resample_abs_pos_embed(
        state["pos_embed"], new_size=[6, 6], num_prefix_tokens=1
    )
    network = timm.create_model(BACKBONES[backbone].architecture, img_size=96, num_classes=0).eval()
    network.load_state_dict(state)
    images = pixels(96)
    tokens = network.forward_features((images.float() / 255 - found.mean) / found.std)
    vectors = found(images)
    torch.testing.assert_close(vectors["cls"], tokens[:, 0])
    torch.testing.assert_close(vectors["avg"], tokens[:, 1:].mean(dim=1))


@torch.inference_mode()
@pytest.mark.parametrize("resolution", [None, 64])
def test_at_the_size_of_training_nothing_is_interpolated(trained, context, resolution):
    model, state = trained("tiny_vit")
    found = load_embedder(model, ["cls"], context, resolution=resolution)
    for name, value in found.backbone.state_dict().items():
        assert torch.equal(value, state[name])


@torch.inference_mode()
def test_a_convnet_takes_any_size_with_the_same_weights(trained, context):
    model, state = trained("tiny_conv")
    found = load_embedder(model, ["avg"], context, resolution=96).eval()
    network = timm.create_model("test_resnet", num_classes=0).eval()
    network.load_state_dict(state)
    images = pixels(96)
    maps = network.forward_features((images.float() / 255 - found.mean) / found.std)
    torch.testing.assert_close(found(images)["avg"], maps.mean(dim=(2, 3)))


@pytest.mark.parametrize("row", SIZED, ids=lambda row: row.name)
def test_every_row_with_a_size_can_be_given_another(row):
    with torch.device("meta"):
        backbone = create_backbone(row, 4 * row.stride)
        network = Embedder(backbone, row, [row.pooling]).eval()
        network.take_images_of(6 * row.stride)
        images = torch.zeros(2, 3, 6 * row.stride, 6 * row.stride, dtype=torch.uint8)
        assert network(images)[row.pooling].shape == (2, row.width)


def test_a_network_that_cannot_be_given_another_size_says_so():
    row = BACKBONES["tiny_vit"]
    network = Embedder(torch.nn.Identity(), row, ["cls"])
    with pytest.raises(WorkError, match=r"tiny_vit cannot be evaluated at 96 .*test_resolution"):
        network.take_images_of(96)


@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_conv"])
def test_a_descriptor_costs_what_it_costs_at_the_evaluated_size(backbone):
    """As a network that has only ever seen that size."""
    both = descriptors_of(backbone=backbone, test_resolution="128")
    alone = descriptors_of(backbone=backbone, resolution="128")
    small = descriptors_of(backbone=backbone)
    assert cost_of(both) == cost_of(alone)
    assert cost_of(both)["gmacs"] > 3.9 * cost_of(small)["gmacs"]
    assert cost_of(both)["bytes_per_image"] == cost_of(small)["bytes_per_image"]


def test_a_fit_costs_its_product_a_cut_nothing():
    features = Features(descriptors_of(backbone="tiny_vit").features.extraction, "cls")
    plain, cut = (cost_of(Descriptors(features, None, dims)) for dims in (64, 16))
    assert (plain["gmacs"], plain["parameters"]) == (cut["gmacs"], cut["parameters"])
    assert (plain["bytes_per_image"], cut["bytes_per_image"]) == (256, 64)
    fitted = cost_of(descriptors_of(backbone="tiny_vit", dims="16"))
    assert fitted["gmacs"] - plain["gmacs"] == pytest.approx(64 * 16 / 1e9, abs=1e-12)


def test_a_learned_head_is_counted():
    plain = cost_of(descriptors_of(backbone="tiny_vit"))
    head = cost_of(descriptors_of(backbone="tiny_vit", projection="linear", dims="16"))
    assert head["parameters"] - plain["parameters"] == 64 * 16
    assert head["gmacs"] - plain["gmacs"] == pytest.approx(64 * 16 / 1e9, abs=1e-12)
