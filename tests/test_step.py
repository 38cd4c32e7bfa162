"""bench.train.step: a gradient in pieces is the whole batch's."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from timm.layers.evo_norm import EvoNorm2dB0
from torch import nn

from bench.micro_batch import MicroBatch
from bench.train.feed import Drawn
from bench.train.generators import generators, set_generators
from bench.train.group import ALONE
from bench.train.objective import Objective
from bench.train.precision import Precision
from bench.train.step import gradient, whole_only
from registry.errors import WorkError
from registry.losses.contrastive import contrastive
from registry.losses.labelled import Labelled
from registry.losses.space import Space
from tests import trainings
from tests.conftest import write_photos
from tests.trainings import (
    CPU,
    SHORT,
    checkpoint_in,
    folder_images,
    learned,
    model_of,
    recipe_of,
)

OUT = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"


def network_of(drop_path=0.0, *, model=None):
    model = model or model_of(drop_path=drop_path)
    return trainings.network_of(model).train()


def drawn_of(n):
    draw = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (n, 3, 32, 32), generator=draw, dtype=torch.uint8)
    return Drawn(pixels, torch.arange(n) // 2, torch.arange(n), None)


def gradients(network, size, *, n=7, objective=None):
    """One step's: the parameters', the loss, the descriptors, where torch's generator is."""
    objective = objective or Objective("contrastive+koleo", Space(10, 64), nested=False)
    draw = torch.Generator().manual_seed(2)
    kept = nn.functional.normalize(torch.randn(5, 64, generator=draw, dtype=torch.float64), dim=1)
    memory = SimpleNamespace(
        content=Labelled(kept, torch.tensor([0, 1, 1, 2, 9]), torch.arange(90, 95))
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    state = SimpleNamespace(
        network=network,
        pooling="cls",
        objective=objective,
        optimiser=optimiser,
        precision=Precision(recipe_of(model_of()), CPU),
        memory=memory,
        device=CPU,
        group=ALONE,
        fills=lambda order: False,
    )
    micro = MicroBatch(size, CPU, "training", print, "do less", whole_only(network))
    for parameter in network.parameters():  # of the step before
        parameter.grad = torch.ones_like(parameter)
    torch.manual_seed(3)
    loss, terms, batch, norm = gradient(state, drawn_of(n), micro)
    assert_close_to_slow_norm(norm, terms, batch, memory.content)
    assert not any(value.requires_grad for value in (loss, *terms.values()))
    torch.testing.assert_close(sum(terms.values()), loss, rtol=0, atol=0)
    assert not batch.descriptors.requires_grad
    found = {name: parameter.grad for name, parameter in network.named_parameters()}
    return found, loss, batch, torch.get_rng_state()


def assert_close_to_slow_norm(norm, terms, batch, memory):
    """Of the contrastive term alone, memory included: by the covariance's singular values."""
    if "contrastive" not in terms:
        assert norm is None
        return
    rows = batch.descriptors.clone().requires_grad_()
    term = contrastive(batch._replace(descriptors=rows), memory, beta=0.5)
    (gradients,) = torch.autograd.grad(term, rows)
    values = np.linalg.svd(np.cov(gradients.double().numpy(), rowvar=False), compute_uv=False)
    assert float(norm) == pytest.approx(values.sum(), rel=1e-5)
    assert norm > 0


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_in_pieces_it_is_the_whole_batchs(size):
    network = network_of().double()
    whole, loss, batch, _ = gradients(network, 7)
    found, same, again, _ = gradients(network, size)
    torch.testing.assert_close(same, loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(again.descriptors, batch.descriptors, rtol=1e-10, atol=1e-12)
    assert torch.equal(again.images, batch.images)
    assert torch.equal(again.labels, batch.labels)
    assert max(gradient.abs().max() for gradient in whole.values()) > 0.01
    for name, expected in whole.items():
        torch.testing.assert_close(found[name], expected, rtol=1e-8, atol=1e-12)


def test_each_piece_draws_the_same_both_times():
    """With the descriptors' gradient at hand, the same drawing without a cache is the oracle."""
    network = network_of(0.5).double()
    found, loss, batch, place = gradients(network, 3)
    torch.manual_seed(3)
    network.zero_grad()
    pixels, labels, images, _ = drawn_of(7)
    parts = [network(piece)["cls"] for piece in torch.split(pixels, 3)]
    assert torch.equal(place, torch.get_rng_state())
    descriptors = nn.functional.normalize(torch.cat(parts), dim=1)
    draw = torch.Generator().manual_seed(2)
    kept = nn.functional.normalize(torch.randn(5, 64, generator=draw, dtype=torch.float64), dim=1)
    memory = Labelled(kept, torch.tensor([0, 1, 1, 2, 9]), torch.arange(90, 95))
    objective = Objective("contrastive+koleo", Space(10, 64), nested=False)
    expected = sum(objective(Labelled(descriptors, labels, images), memory).values())
    expected.backward()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(batch.descriptors, descriptors.detach(), rtol=1e-10, atol=1e-12)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-8, atol=1e-12)


def test_a_loss_that_draws_goes_on_where_it_was():
    network = network_of(0.5)

    def noisy(batch, memory):
        return {"noisy": (batch.descriptors * torch.rand_like(batch.descriptors)).sum()}

    noisy.parameters = list
    place = gradients(network, 3, objective=noisy)[3]
    torch.manual_seed(3)
    for piece in torch.split(drawn_of(7)[0], 3):
        found = network(piece)["cls"]
        assert found.shape == (len(piece), 64)
    torch.rand(7, 64)
    assert torch.equal(place, torch.get_rng_state())


class Scaled(nn.Module):
    """A loss with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, batch, memory):
        return {"scaled": (batch.descriptors[:, 0] * self.scale).sum()}


def test_a_loss_may_learn():
    seen = []
    for size in (7, 2):
        objective = Scaled()
        _, loss, *_ = gradients(network_of(), size, objective=objective)
        torch.testing.assert_close(objective.scale.grad, loss)
        seen.append(loss)
    torch.testing.assert_close(*seen)
    assert seen[0] != 0


class Short:
    """A memory too small for more than so many images, from some forward pass on."""

    def __init__(self, network, most, *, backward=False, first=0):
        self.most, self.first, self.calls = most, first, []
        network.backbone.blocks[0].register_forward_hook(self.hold)
        if not backward:
            network.register_forward_hook(self.fail)  # after all was drawn
        else:
            network.backbone.blocks[0].register_forward_hook(self.fail_later)

    def hold(self, block, inputs, output):
        self.calls.append(len(output))

    def fail(self, *about):
        if len(self.calls) > self.first and self.calls[-1] > self.most:
            raise RuntimeError(OUT)

    def fail_later(self, block, inputs, output):
        """Fail when the later blocks have their gradients already."""
        if len(self.calls) > self.first and self.calls[-1] > self.most and output.requires_grad:
            output.register_hook(self.fail_now)

    def fail_now(self, gradient):
        raise RuntimeError(OUT)


def trained(tmp_path, *, model=None, said=None, **short):
    model = model or model_of()
    network = network_of(model=model).double()
    memory = Short(network, **short) if short else None
    folder = tmp_path / "photos"
    if not folder.exists():
        write_photos(folder)
    note = ([] if said is None else said).append
    checkpoint = checkpoint_in(tmp_path, note=note)
    images = learned(folder_images(folder), model)
    found, log = trainings.trained(images, model, checkpoint, network=network)
    return found, log["losses"], memory


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_a_training_short_of_memory_ends_as_the_undisturbed_one(tmp_path, backward):
    said = []
    whole, losses, _ = trained(tmp_path)
    found, seen, memory = trained(tmp_path, said=said, most=2, backward=backward, first=3)
    tries = [6, 3, 3, 3] if backward else [6, 3]
    assert memory.calls == [6, 6, 6, *tries, *[1] * 12 * 3]
    assert seen == pytest.approx(losses, rel=1e-9)
    for name, parameter in whole.items():
        torch.testing.assert_close(found[name], parameter, rtol=1e-6, atol=1e-9)
    about = "training tiny_vit at 32 pixels, contrastive+koleo: out of memory on cpu, goes on with"
    assert said == [
        f"{about} 3 images at once instead of 6; the loss sees all 6",
        f"{about} 1 images at once instead of 3; the loss sees all 6",
    ]


def test_a_look_at_gradients_changes_no_bit(tmp_path, monkeypatch):
    whole = trained(tmp_path)[:2]
    monkeypatch.setattr("bench.train.step.CONTRASTIVE", "no term's name")
    found, losses, _ = trained(tmp_path)
    assert losses == whole[1]
    assert [name for name in found if not torch.equal(found[name], whole[0][name])] == []


class InPairs(MicroBatch):
    """All, then pairs; pairs from the start where that is asked."""

    def _lower(self, tried, reason):
        self.size = 2


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_a_failed_try_leaves_no_trace(tmp_path, monkeypatch, backward):
    """Of what it drew, and of gradients: else not the same bits as pairs from the start."""
    options = {"model": model_of(head_dims=7, drop_path=0.5)}
    pairs = partial(InPairs, 2)
    monkeypatch.setattr("bench.train.loop.MicroBatch", lambda images, *a, **k: pairs(*a, **k))
    found, losses, _ = trained(tmp_path, **options)
    monkeypatch.setattr("bench.train.loop.MicroBatch", InPairs)
    other, seen, memory = trained(tmp_path, most=2, backward=backward, **options)
    assert memory.calls == [6, *[2] * 6 * SHORT["steps"]]
    assert seen == losses
    assert [name for name in found if not torch.equal(found[name], other[name])] == []


def test_batch_norms_are_not_fed_in_pieces(tmp_path, monkeypatch):
    def fails(*about):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    said = []
    network = network_of(model=model_of("tiny_conv"))
    network.register_forward_hook(fails)
    monkeypatch.setattr("tests.test_step.network_of", lambda *about, **options: network)
    with pytest.raises(WorkError) as failed:
        trained(tmp_path, model=model_of("tiny_conv"), said=said)
    assert said == []
    assert str(failed.value) == (
        "training tiny_conv at 32 pixels, contrastive+koleo: out of memory on cpu with 6 images "
        "(CUDA out of memory.), and its batch norms need the whole batch at once: the statistics "
        "of a smaller one are others, and so would be the numbers: use a recipe with fewer images "
        "in a batch, a lower resolution, or another --device"
    )


def test_what_has_to_see_the_whole_batch():
    assert not whole_only(network_of())
    assert not whole_only(nn.Sequential(nn.LayerNorm(3), nn.GroupNorm(1, 3), nn.InstanceNorm2d(3)))
    for norm in (nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.SyncBatchNorm(3), EvoNorm2dB0(3)):
        network = nn.Sequential(nn.Linear(3, 3), nn.Sequential(norm))
        assert "whole batch" in whole_only(network)
        norm.eval()
        assert not whole_only(network)
    unkept = nn.BatchNorm2d(3, track_running_stats=False).eval()
    assert "whole batch" in whole_only(unkept)


def test_not_even_one_image(tmp_path):
    with pytest.raises(WorkError, match=r"with one image at a time .*recipe with fewer images"):
        trained(tmp_path, most=0)


def test_generators_go_back():
    states = generators(CPU)
    one = torch.rand(3)
    set_generators(states, CPU)
    assert torch.equal(torch.rand(3), one)
