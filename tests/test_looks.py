"""bench.train.looks: what is seen of a training, which is the same without."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from bench.train.averages import Average
from bench.train.collapse import CollapseDetector
from bench.train.group import ALONE
from bench.train.images import Validation, leave_one_out
from bench.train.looks import Watch, embed_plain, said, select, validate
from bench.train.precision import Precision
from bench.train.selection import Selection
from bench.train.step import Step
from registry.losses.labelled import Labelled
from tests.conftest import write_photos
from tests.trainings import CPU, evaluated, folder_images, model_of, network_of, recipe_of

MODEL = model_of("tiny_conv", drop_path=0.5)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Images whose classes have nothing to do with what they show: no recall is 0 or 1."""
    images = folder_images(write_photos(tmp_path_factory.mktemp("photos") / "photos"))
    labels = np.random.default_rng(3).integers(0, 4, len(images))
    return evaluated(replace(images, labels=labels), MODEL)


@pytest.fixture
def state():
    network = network_of(MODEL).train()
    return SimpleNamespace(
        network=network,
        pooling="gem",
        precision=Precision(recipe_of(MODEL), CPU),
        selection=Selection("validation", 2),
        collapse=CollapseDetector(pytest.fail, every=2),
        objective=SimpleNamespace(margin=0.5),
        average=None,
        device=CPU,
        group=ALONE,
        losses=[],
    )


def plain(network, source, positions):
    """Embed one image at a time, without chance: rows by their definition."""
    network.eval()
    rows = []
    for position in positions:
        pixels = torch.from_numpy(source.resized(position).copy()).permute(2, 0, 1)[None]
        with torch.no_grad():
            rows.append(functional.normalize(network(pixels)["gem"], dim=1)[0].numpy())
    network.train()
    return np.stack(rows)


def recall(rows, labels, queries, gallery):
    """Recall@1 by its definition; there are no ties here."""
    hits = []
    for query in queries:
        others = [one for one in gallery if one != query]
        if labels[query] in labels[others]:
            best = max(others, key=lambda one: rows[query] @ rows[one])
            hits.append(labels[best] == labels[query])
    return np.mean(hits)


def test_plain_embeddings_are_the_networks_in_eval_mode(state, source):
    positions = np.array([3, 1, 17, 8])
    before = {name: buffer.clone() for name, buffer in state.network.named_buffers()}
    place = torch.get_rng_state()
    found = embed_plain(state, source, positions, 3)
    assert torch.equal(torch.get_rng_state(), place)
    assert state.network.training
    for name, buffer in state.network.named_buffers():
        assert torch.equal(buffer, before[name])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain(state.network, source, positions), atol=1e-6)


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize(
    ("queries", "gallery"),
    [(range(21), range(21)), (range(4, 12), range(4, 12)), ([2, 9, 14], [0, 1, 4, 5, 11, 12, 15])],
    ids=["all", "held out", "queries and gallery"],
)
def test_validation_is_recall_of_the_weights_that_would_be_kept(
    state, source, queries, gallery, averaged
):
    parts = [np.array(part, dtype=np.int64) for part in (queries, gallery)]
    kept = state.network
    if averaged:
        kept = network_of(MODEL)
        state.average = Average(kept, 0.5)
        state.average.network = state.network
        with torch.no_grad():
            for parameter in state.network.parameters():
                parameter.mul_(-0.5)
    own = [parameter.clone() for parameter in state.network.parameters()]
    value = validate(state, Validation(source, *parts), 5)
    for parameter, before in zip(state.network.parameters(), own, strict=True):
        assert torch.equal(parameter, before)
    rows = plain(kept, source, range(21))
    assert value == pytest.approx(recall(rows, source.images.labels, *parts))


def test_checkpoints_are_looked_at_in_time_and_the_best_is_kept(state, source, monkeypatch):
    values = iter([0.5, 0.25, 0.75])
    monkeypatch.setattr("bench.train.looks.validate", lambda *about: next(values))
    everything = leave_one_out(source, np.arange(21))
    parameter = next(state.network.parameters())
    for step in range(1, 6):
        with torch.no_grad():
            parameter.fill_(step)
        select(state, everything, step, 5, 8)
        select(state, None, step, 5, 8)
    assert state.selection.curve == [(2, 0.5), (4, 0.25), (5, 0.75)]
    state.selection.apply(state.network)
    assert (parameter == 5).all()


def test_of_averages_it_is_the_average_that_is_kept(state, source, monkeypatch):
    monkeypatch.setattr("bench.train.looks.validate", lambda *about: 0.5)
    state.average = Average(state.network, 0.5)
    name, parameter = next(state.network.named_parameters())
    with torch.no_grad():
        state.average.tensors[name].fill_(7)
        parameter.fill_(3)
    select(state, leave_one_out(source, np.arange(21)), 2, 5, 8)
    assert (state.selection.tensors[name] == 7).all()
    assert (parameter == 3).all()


def step_of(n=4, **terms):
    rows = torch.eye(n, 8)
    rows[1] = torch.tensor([0.6, 0.8, *[0.0] * 6])
    batch = Labelled(rows, torch.arange(n) // 2, torch.arange(n))
    return Step(sum(terms.values()), terms, batch)


def test_each_step_is_told_with_all_that_is_known_of_it(state):
    watch = Watch(state)
    state.losses = [3.0]
    one = watch.values(step_of(it=torch.tensor(3.0)), 0.1)
    assert one.pop("images_per_second") > 0
    expected = {
        "loss": 3.0,
        "lr": 0.1,
        "positive_similarity": pytest.approx((0.6 + 0.0) / 2),
        "negative_similarity": 0.0,
        "active_negatives": 0.0,
    }
    assert one == expected
    state.losses = [3.0, 1.0]
    state.selection.curve = [(2, 0.5)]
    step = step_of(a=torch.tensor(0.75), b=torch.tensor(0.25))
    two = watch.values(step._replace(gradient_nuclear_norm=torch.tensor(0.125)), 0.1)
    assert two["gradient_nuclear_norm"] == 0.125
    assert (two["loss"], two["loss.a"], two["loss.b"]) == (1.0, 0.75, 0.25)
    assert two["validation_r@1"] == 0.5
    assert 1 < two["effective_rank"] <= 4
    state.losses = [3.0, 1.0, 1.0]
    three = watch.values(step_of(a=torch.tensor(1.0)), 0.1)
    assert not three.keys() & {"validation_r@1", "effective_rank", "loss.a"}


def test_images_per_second_are_those_since_the_step_before(state, monkeypatch):
    # made; a step of two seconds, a look of seven at others; a step of half a second
    clock = iter([10.0, 12.0, 19.0, 19.5, 20.0])
    monkeypatch.setattr("bench.train.looks.time", SimpleNamespace(monotonic=lambda: next(clock)))
    watch = Watch(state)
    state.losses = [1.0]
    speeds = []
    for _ in range(2):
        watch.stop()
        speeds.append(watch.values(step_of(), 0.1)["images_per_second"])
    assert speeds == [2.0, 8.0]


def test_the_last_values_are_said_in_a_few_words(state):
    assert said({"loss": 1.23456, "lr": 1.0}, state) == "loss 1.23"
    state.selection.curve = [(2, 0.25), (4, 0.5)]
    values = {"loss": 0.5, "positive_similarity": 0.876, "negative_similarity": -0.1}
    assert said(values, state) == "loss 0.5 · pos 0.88 · neg -0.10 · validation R@1 50.0"
    state.selection.how = "test"
    assert said({"loss": 0.5}, state) == "loss 0.5 · test R@1 50.0"
