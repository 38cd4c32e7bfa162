"""bench.train.objective: terms by name, nested ones the mean over sizes."""

import pytest
import torch
from torch.nn import functional

from bench.train.objective import Objective, cut, nested_sizes
from registry.losses import build_loss
from registry.losses.labelled import Labelled
from registry.losses.space import Space

TEXT = "contrastive(beta=0.3)+koleo(lambda=0.5)"


def labelled(n, dims, *, seed, first=0):
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, dims, generator=draw, dtype=torch.float64)
    images = torch.arange(first, first + n)
    return Labelled(functional.normalize(rows, dim=1), images % 3, images)


def first(part, size):
    rows = part.descriptors
    if size < rows.shape[1]:  # what is whole is a unit vector already
        rows = rows[:, :size] / rows[:, :size].square().sum(dim=1, keepdim=True).sqrt()
    return Labelled(rows, part.labels, part.images)


def slow(text, batch, memory, sizes):
    """The mean over sizes, term by term."""
    found = {}
    for size in sizes:
        parts = [first(part, size) for part in (batch, memory) if part is not None]
        for name, term in build_loss(text, Space(3, size)).items():
            value = term(parts[0], parts[1] if memory else None)
            found[name] = found.get(name, 0.0) + value / len(sizes)
    return found


@pytest.mark.parametrize(
    ("dims", "sizes"),
    [(384, [384, 192, 96, 48, 24]), (64, [64, 32, 16]), (33, [33, 16]), (16, [16]), (5, [5])],
)
def test_sizes_are_halved_to_16(dims, sizes):
    assert nested_sizes(dims) == sizes


@pytest.mark.parametrize("kept", [0, 7], ids=["batch", "memory"])
@pytest.mark.parametrize("nested", [False, True])
def test_terms_are_means_over_sizes_and_so_are_their_gradients(nested, kept):
    memory = labelled(kept, 64, seed=2, first=90) if kept else None
    gradients = []
    for compute in (
        lambda batch: Objective(TEXT, Space(3, 64), nested=nested)(batch, memory),
        lambda batch: slow(TEXT, batch, memory, [64, 32, 16] if nested else [64]),
    ):
        batch = labelled(9, 64, seed=1)
        batch.descriptors.requires_grad_()
        terms = compute(batch)
        sum(terms.values()).backward()
        gradients.append((terms, batch.descriptors.grad))
    (found, gradient), (wanted, expected) = gradients
    assert list(found) == list(wanted) == ["contrastive", "koleo"]
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


def test_what_is_cut_is_a_unit_vector_again():
    batch = labelled(9, 64, seed=1)
    part = cut(batch, 16)
    torch.testing.assert_close(part.descriptors.norm(dim=1), torch.ones(9, dtype=torch.float64))
    rows = batch.descriptors[:, :16]
    torch.testing.assert_close(part.descriptors * rows.norm(dim=1, keepdim=True), rows)
    assert part.labels is batch.labels
    assert part.images is batch.images
    assert cut(batch, 64) is batch


def test_the_number_of_tuples_is_not_cut_off():
    tuples = torch.arange(9) // 3
    assert cut(labelled(9, 64, seed=1)._replace(tuples=tuples), 16).tuples is tuples


@pytest.mark.parametrize(
    ("text", "margin"),
    [
        ("contrastive", 0.5),
        (TEXT, 0.3),
        ("snca+contrastive_mean(beta=0.2)", 0.2),
        ("snca", None),
        ("multi_similarity", None),
    ],
)
def test_the_margin_is_that_of_the_first_term_with_one(text, margin):
    assert Objective(text, Space(3, 64), nested=False).margin == margin


def test_each_size_has_proxies_of_its_own():
    pytest.importorskip("pytorch_metric_learning")
    objective = Objective("proxy_anchor+koleo", Space(3, 64), nested=True)
    shapes = [tuple(parameter.shape) for parameter in objective.parameters()]
    assert shapes == [(3, 64), (3, 32), (3, 16)]
    sum(objective(labelled(9, 64, seed=1), None).values()).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in objective.parameters())


def test_most_losses_learn_nothing():
    assert list(Objective(TEXT, Space(3, 64), nested=True).parameters()) == []
