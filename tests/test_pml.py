"""registry.losses.pml: what is read off the package's source, against the package imported."""

import importlib
import inspect
import math
import subprocess
import sys

import pytest
import torch

from registry.errors import UsageError
from registry.losses import pml
from registry.losses.labelled import Labelled
from registry.losses.space import Space

losses = pytest.importorskip("pytorch_metric_learning.losses")
SPACE = Space(classes=4, dims=8)
REQUIRED = {"margin": 0.4, "Tn": 1.0}
REMEMBERING = [name for name in pml.known() if pml.facts_of(name).uses_memory]
old_numpy = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
"""Raised by the package's LargeMarginSoftmaxLoss on numpy 2."""


def sample(seed, n=12, first=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.randn(n, 8, generator=generator), dim=1)
    return Labelled(z, torch.arange(n) % 4, torch.arange(first, first + n))


def memory():
    """Return earlier copies of the second half of sample's images, and others."""
    return sample(100, n=16, first=4)


def built(name, **changed):
    row = pml.pml_row(f"pml:{name}")
    required = {key: REQUIRED[key] for key, value in row.parameters if math.isnan(value)}
    torch.manual_seed(0)
    return row.build(dict(row.parameters) | required | changed, SPACE)


def constructor_numbers(cls):
    """Return name -> default of the numbers that a class or its bases take, as inspect has them."""
    found = {}
    for base in inspect.getmro(cls):
        if base.__module__.startswith(losses.__name__) and not base.__name__.endswith("Mixin"):
            own = vars(base).get("__init__", object.__init__)
            for argument in inspect.signature(own).parameters.values():
                if isinstance(argument.default, int | float):
                    found.setdefault(argument.name, argument.default)
    return {key: value for key, value in found.items() if key != "swap"}


def test_every_exported_loss_is_known_or_refused_with_a_reason():
    exported = {
        name
        for name, value in vars(losses).items()
        if isinstance(value, type) and not name.endswith("Mixin")
    }
    abstract = {"BaseLossWrapper", "BaseMetricLossFunction", "GenericPairLoss"}
    assert exported - abstract == {*pml.known(), *pml.REFUSED}
    assert len(pml.known()) > 25


@pytest.mark.parametrize("name", pml.known())
def test_parameters_are_those_of_the_constructors(name):
    parameters = dict(pml.pml_row(f"pml:{name}").parameters)
    given = {key: value for key, value in parameters.items() if not math.isnan(value)}
    expected = constructor_numbers(getattr(losses, name))
    assert given == expected
    assert {key: type(value) for key, value in given.items()} == {
        key: type(value) for key, value in expected.items()
    }
    assert set(parameters) - set(given) == (set(REQUIRED) if name == "RankedListLoss" else set())


@old_numpy
@pytest.mark.parametrize("name", pml.known())
def test_every_loss_steps_twice(name):
    """A second step fails if a loss keeps the first one's graph; state is in the state dict."""
    loss = built(name)
    plain = [value for value in vars(loss.loss).values() if isinstance(value, torch.Tensor)]
    assert not plain
    for seed in range(2):
        batch = sample(seed)
        batch.descriptors.requires_grad_()
        value = loss(batch, memory())
        value.backward()
        assert value.shape == ()
        assert torch.isfinite(value)
        assert batch.descriptors.grad.abs().max() > 0
        assert all(weights.grad is not None for weights in loss.parameters())


@old_numpy
@pytest.mark.parametrize("name", pml.known())
def test_the_memory_counts_where_the_row_says_so(name):
    alone, beside = (float(built(name)(sample(0), stored).detach()) for stored in (None, memory()))
    assert (alone != beside) == pml.pml_row(f"pml:{name}").uses_memory


def test_the_package_remembers_for_the_same_losses_but_two():
    supported = set(losses.CrossBatchMemory.supported_losses())
    # NCALoss takes no chosen pairs, so it would compare an image with itself
    assert supported - set(REMEMBERING) == {"NCALoss", "LiftedStructureLoss"}
    assert supported.issuperset(REMEMBERING)


@pytest.mark.parametrize("name", REMEMBERING)
def test_the_sum_is_that_of_the_package_with_its_own_memory(name):
    batch, earlier = sample(0), sample(100, n=16, first=50)
    own = getattr(losses, name)()
    remembering = losses.CrossBatchMemory(own, embedding_size=8, memory_size=28)
    remembering.add_to_memory(earlier.descriptors, earlier.labels, 16)
    # the package enqueues the batch and leaves it out by its place; ours by identity
    expected = remembering(batch.descriptors, batch.labels)
    expected = expected + own(batch.descriptors, batch.labels)
    stored = Labelled(*(torch.cat(parts) for parts in zip(earlier[:3], batch[:3], strict=True)))
    assert built(name)(batch, stored) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", REMEMBERING)
def test_an_image_stored_at_another_time_is_no_pair_with_itself(name):
    """However far its earlier descriptor is, it counts for nothing beside three negatives."""
    one = Labelled(*(part[:1] for part in sample(0)[:3]))
    negatives = sample(100, n=3, first=50)._replace(labels=torch.arange(1, 4))
    copy = one._replace(descriptors=-one.descriptors)
    stored = Labelled(*(torch.cat(parts) for parts in zip(copy[:3], negatives[:3], strict=True)))
    loss = built(name)
    assert loss(one, stored) == pytest.approx(float(loss(one, negatives)), rel=1e-6)


def test_sizes_come_from_the_space():
    assert built("ProxyAnchorLoss").loss.proxies.shape == (4, 8)
    assert built("SubCenterArcFaceLoss", sub_centers=2.0).loss.W.shape == (8, 8)
    assert built("P2SGradLoss").loss.weight.shape == (8, 4)
    assert built("MarginLoss", learn_beta=1.0).loss.beta.shape == (4,)


def test_whole_numbers_and_flags_stay_such():
    assert built("FastAPLoss", num_bins=7.0).loss.num_edges == 8
    assert built("DynamicSoftMarginLoss", num_bins=5.0).loss.hist_.shape == (5,)
    assert [*built("MarginLoss", learn_beta=1.0).parameters()]
    assert not [*built("MarginLoss").parameters()]
    assert built("ProxyAnchorLoss", alpha=31.5).loss.alpha == 31.5


def test_state_of_a_loss_survives_its_state_dict():
    loss, other = built("DynamicSoftMarginLoss"), built("DynamicSoftMarginLoss")
    loss(sample(0), None)
    other.load_state_dict(loss.state_dict())
    assert other(sample(1), None) == loss(sample(1), None)
    assert other(sample(2), None) != built("DynamicSoftMarginLoss")(sample(2), None)


def test_autocast_is_left():
    batch = sample(0)
    loss = built("MultiSimilarityLoss")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(batch, memory())
    assert inside == loss(batch, memory())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ProxyAnchrLoss", "did you mean 'ProxyAnchorLoss'"),
        ("GenericPairLoss", "unknown loss of pytorch-metric-learning"),
        ("CrossBatchMemory", "the memory is the recipe's"),
        ("VICRegLoss", "it takes no labels"),
    ],
)
def test_what_is_no_loss_is_said(name, message):
    with pytest.raises(UsageError, match=message):
        pml.pml_row(f"pml:{name}")


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("RankedListLoss", {"imbalance": 2.0, **REQUIRED}, "imbalance must be between 0 and 1"),
        ("RankedListLoss", {"margin": pml.UNSET}, "RankedListLoss: margin has no default"),
        ("SoftTripleLoss", {"gamma": 0.0}, "pml:SoftTripleLoss cannot be built"),
        ("MarginLoss", {"learn_beta": 0.5}, "learn_beta is 0 or 1, not 0.5"),
    ],
)
def test_what_a_constructor_refuses_is_said(name, parameters, message):
    with pytest.raises(UsageError, match=f"(?i){message}"):
        built(name, **parameters)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for call in (lambda: pml.pml_row("pml:NCALoss"), lambda: pml.build("NCALoss", {}, SPACE)):
        with pytest.raises(UsageError, match=r"pip install 'retrieval-bench\[pml\]'"):
            call()


def test_facts_need_neither_torch_nor_the_package():
    code = (
        "import sys; from registry.losses import pml, pml_rows; pml.pml_row('pml:ProxyAnchorLoss');"
        "assert not {'torch', 'pytorch_metric_learning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
