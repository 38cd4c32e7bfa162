"""bench.inference: folding changes nothing but speed."""

import copy

import pytest
import torch
from torch import nn

from bench.identity import Model
from bench.inference import fold_batch_norms, for_inference
from bench.model import build_embedder
from registry.backbones import BACKBONES

CONVS = [name for name, row in BACKBONES.items() if row.family == "conv" and name != "resnet101"]


def scrambled(backbone):
    """A network whose batch norms have statistics worth folding."""
    model = build_embedder(Model(backbone, "scratch", 64, 0, None), ["gem"]).eval()
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return model


@pytest.mark.parametrize("backbone", CONVS)
def test_descriptors_agree_within_1e_5(backbone):
    model = scrambled(backbone)
    images = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        before = nn.functional.normalize(model(images)["gem"], dim=1)
        fast = for_inference(copy.deepcopy(model), torch.device("cpu"))
        after = nn.functional.normalize(fast(images)["gem"], dim=1)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "backbone", ["resnet50", "mobilenetv2", "tf_mobilenetv2", "efficientnet_b0", "regnety_016"]
)
def test_every_batch_norm_is_folded(backbone):
    model = scrambled(backbone)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert fold_batch_norms(model.backbone) == norms
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


class Shared(nn.Module):
    """A convolution whose output is also used beside its batch norm."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.conv(x)
        return self.norm(y) + y


def test_a_convolution_used_twice_is_left_alone():
    assert fold_batch_norms(Shared().eval()) == 0


class Untraceable(nn.Module):
    """A network whose path depends on its values."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_a_network_that_cannot_be_traced_runs_as_it_is():
    assert fold_batch_norms(Untraceable()) == 0
