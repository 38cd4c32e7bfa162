"""bench.train.validation: honest parts, exact values, and nothing that shows in the training."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bench.decode import BadImageError
from bench.images import ImageSource
from bench.train.generators import generators
from bench.train.validation import centred, embed_images, held_out, recall_at_1, unchanged
from registry.datasets.folder import folder_dataset
from registry.errors import UsageError, WorkError
from registry.transforms import AUGMENTATIONS, TRANSFORMS, Target
from tests.conftest import write_photos
from tests.oracles import expected, hit_at_k
from tests.trainings import model_of, network_of

CPU = torch.device("cpu")
LABELS = st.lists(st.integers(-1, 9), min_size=1, max_size=40).map(np.array)


def sizes_of(labels):
    return np.unique(labels[labels >= 0], return_counts=True)[1]


@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 3))
def test_every_class_is_wholly_on_one_side(labels, share, seed):
    sizes = sizes_of(labels)
    if len(sizes) < 4 or (sizes > 1).sum() < 2:
        with pytest.raises(WorkError, match=f"has {len(sizes)} classes, {(sizes > 1).sum()} of"):
            held_out(labels, share, seed)
        return
    train, validation = held_out(labels, share, seed)
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(labels)))
    assert not set(labels[train]) & set(labels[validation])
    assert (labels[validation] >= 0).all()
    for part in (train, validation):
        assert len(sizes_of(labels[part])) >= 2
        assert sizes_of(labels[part]).max() >= 2
    count = len(sizes_of(labels[validation]))
    assert count == min(max(round(share * len(sizes)), 2), len(sizes) - 2)


def test_which_classes_are_held_out_depends_on_the_drawing_alone():
    labels = np.repeat(np.arange(50), 3)
    one, again, other = (held_out(labels, 0.2, seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert np.array_equal(one, held_out(labels, 0.2)[1])
    assert not np.array_equal(one, other)
    assert len(set(labels[one])) == 10
    assert not np.array_equal(one, np.sort(one)[: len(one)] % 30)  # not the first classes
    counts = np.bincount(np.concatenate([held_out(labels, 0.2, seed)[1] for seed in range(99)]))
    assert counts.min() > 5  # any class may be


def test_held_out_classes_are_drawn_by_nobody_elses_generator():
    labels = np.repeat(np.arange(50), 3)
    np.random.seed(7)  # noqa: NPY002 - the one that must not be drawn from
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    held_out(labels, 0.2)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan")])
def test_a_share_is_between_none_and_all(share):
    with pytest.raises(UsageError, match="validation_share"):
        held_out(np.repeat(np.arange(50), 3), share)


def recall_oracle(rows, labels, queries, gallery):
    """Query by query over every order of the ties."""
    values = []
    for query in queries:
        relevant = [i for i, g in enumerate(gallery) if labels[g] == labels[query] and g != query]
        if relevant:
            own = [i for i, g in enumerate(gallery) if g == query]
            similarities = rows[gallery] @ rows[query]
            values.append(expected(partial(hit_at_k, k=1), similarities, relevant, own))
    return np.mean(values)


def corners(seed, n):
    """Vectors on a few directions, so that there are ties, of any length."""
    rng = np.random.default_rng(seed)
    rows = np.eye(3)[rng.integers(0, 3, n)] * rng.choice([0.5, 2.0, 3.0], n)[:, None]
    rows[0] = 0
    return rows.astype(np.float32), rng.integers(0, 3, n)


@given(st.integers(0, 10_000), st.booleans())
def test_recall_is_that_of_the_definition(seed, ties):
    rows, labels = corners(seed, 6)
    if not ties:
        rows = np.random.default_rng(seed).normal(size=(6, 3)).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    plain = rows.astype(np.float64) / np.where(lengths == 0, 1, lengths)
    every = np.arange(6)
    if max(np.bincount(labels)) > 1:
        found = recall_at_1(rows, labels)
        assert found == pytest.approx(recall_oracle(plain, labels, every, every))
    queries, gallery = every[:3], every[1:]
    try:
        found = recall_at_1(rows, labels, queries=queries, gallery=gallery)
    except WorkError:
        assert all(sum(labels[gallery] == labels[q]) - (q > 0) == 0 for q in queries)
    else:
        assert found == pytest.approx(recall_oracle(plain, labels, queries, gallery))


def test_duplicates_of_a_query_are_found_and_itself_is_not():
    rows = np.ones((4, 2), np.float32)
    assert recall_at_1(rows, np.array([0, 0, 1, 1])) == pytest.approx(1 / 3)
    with pytest.raises(WorkError, match="none of 4 queries has an image of its class"):
        recall_at_1(rows, np.arange(4))
    with pytest.raises(WorkError, match="holds no numbers"):
        recall_at_1(rows * np.float32("nan"), np.array([0, 0, 1, 1]))


@pytest.fixture
def source(tmp_path):
    root = write_photos(tmp_path / "photos", classes=2)
    images = folder_dataset(f"folder:{root}").read(root).evaluated
    return ImageSource(images, AUGMENTATIONS["short_random_flip"], Target(32, "bicubic"))


def mean_colour(pixels):
    return pixels.float().flatten(2).mean(dim=2)


def embedded(source, positions, embed=mean_colour, batch=3, network=None):
    positions = np.array(positions)
    network = network or nn.Identity()
    return embed_images(network, embed, source, positions, batch=batch, device=CPU)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_centres_of_images_are_embedded_in_order(source, batch):
    plain = replace(source, transform=TRANSFORMS["short_center"])
    positions = [5, 0, 8, 2, 2, 7, 1]
    found = embedded(source, positions, batch=batch)
    wanted = [plain.resized(position).mean(axis=(0, 1)) for position in positions]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize("sides", [(7, 7), (7, 8), (8, 7), (8, 10), (9, 12), (7, 10)])
def test_a_centre_is_torchvisions(sides):
    from torchvision.transforms.v2.functional import center_crop

    pixels = np.arange(3 * sides[0] * sides[1], dtype=np.uint8).reshape(*sides, 3)
    wanted = center_crop(torch.from_numpy(pixels).permute(2, 0, 1), [7, 7])
    assert np.array_equal(centred(pixels, 7), wanted.permute(1, 2, 0).numpy())


def test_images_of_different_shapes_are_embedded_apart(source):
    keeping = replace(source, transform=TRANSFORMS["long_side"])
    shapes, positions = [], list(range(len(source.images)))

    def embed(pixels):
        shapes.append(tuple(pixels.shape))
        return mean_colour(pixels)

    found = embedded(keeping, positions, embed, batch=4)
    wanted = [keeping.resized(position).mean(axis=(0, 1)) for position in positions]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert {shape[1] for shape in shapes} == {3}
    assert sum(shape[0] for shape in shapes) == len(positions)
    assert max(shape[0] for shape in shapes) <= 4


def test_a_bad_image_is_told_and_no_image_too(source):
    (source.images.root / source.images.paths[4]).write_bytes(b"none")
    with pytest.raises(BadImageError):
        embedded(source, range(6))
    with pytest.raises(WorkError, match="no images"):
        embedded(source, [])


class Noisy(nn.Module):
    """Would show if it were in training mode, and draws random numbers even if it is not."""

    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.frozen = nn.BatchNorm2d(3).eval()
        self.drop = nn.Dropout(0.5)

    def forward(self, pixels):
        assert torch.rand(3).isfinite().all()
        return self.drop(self.frozen(self.first(pixels.float()))).mean(dim=(2, 3))


def everything(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_nothing_of_it_shows_in_the_training(source):
    network = Noisy()
    before, modes = everything(network), [module.training for module in network.modules()]
    places = [place.clone() for place in generators(CPU)]
    found = embedded(source, range(9), network, network=network)
    assert torch.equal(places[0], generators(CPU)[0])
    assert [module.training for module in network.modules()] == modes == [True, True, False, True]
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    again = embedded(source, range(9), network, network=network, batch=2)
    np.testing.assert_allclose(found, again, rtol=1e-6)  # eval mode: no image sees another
    assert torch.is_grad_enabled()


def test_a_validation_that_breaks_leaves_the_modes_too():
    network = Noisy()
    places = generators(CPU)[0].clone()

    def broken():
        with unchanged(network, CPU):
            torch.rand(1)
            assert not network.drop.training
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert network.drop.training
    assert not network.frozen.training
    assert torch.equal(places, generators(CPU)[0])


def test_a_real_network_is_embedded_as_by_itself(source):
    network = network_of(model_of("tiny_conv"))
    network.train()

    def embed(pixels):
        return functional.normalize(network(pixels)["gem"], dim=1)

    found = embedded(source, range(8), embed, network=network)
    assert network.training
    plain = replace(source, transform=TRANSFORMS["short_center"])
    pixels = np.stack([plain.resized(position) for position in range(8)])
    with torch.no_grad():
        wanted = functional.normalize(
            network.eval()(torch.from_numpy(pixels).permute(0, 3, 1, 2))["gem"], dim=1
        )
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert 0 <= recall_at_1(found, source.images.labels[:8]) <= 1
