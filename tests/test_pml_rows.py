"""registry.losses.pml_rows: values and gradients against loops in float64 numpy."""

import numpy as np
import pytest
import torch

from registry.errors import UsageError
from registry.losses.labelled import Labelled
from registry.losses.pml_rows import PML_LOSSES
from registry.losses.space import Space
from registry.table import Table

pytest.importorskip("pytorch_metric_learning")

LOSSES = Table("loss", PML_LOSSES)
CLASSES, DIMS = 4, 3
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
"""Of three of the four classes, interleaved: a proxy has no image, and classes are no blocks."""


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def sample(seed, ids, labels):
    rng = np.random.default_rng(seed)
    return unit(rng.normal(size=(len(ids), DIMS))), np.array(labels), np.array(ids)


def batch_and_memory(seed=0):
    """Draw a batch and a memory that holds earlier copies of three of its images."""
    return sample(seed, range(9), LABELS), sample(
        seed + 1, [0, 4, 8, 100, 101, 102, 103], [0, 1, 2, 0, 1, 2, 3]
    )


def labelled(z, y, ids):
    return Labelled(*(torch.as_tensor(part) for part in (z, y, ids)))


def log_sum(values):
    return float(np.log(np.sum(np.exp(values)))) if len(values) else float("-inf")


def partners(batch, others, i):
    """Return cosines to one image's positives and to its negatives."""
    (z, y, ids), (w, labels, images) = batch, others
    similarity = unit(w) @ unit(z)[i]
    pair = images != ids[i]
    return similarity[pair & (labels == y[i])], similarity[pair & (labels != y[i])]


def triplet(batch, others, proxies, margin):
    losses = []
    for i in range(len(batch[0])):
        positives, negatives = partners(batch, others, i)
        for near in 2 - 2 * positives:
            far = 2 - 2 * negatives
            losses += list(near - far[(near < far) & (far < near + margin)] + margin)
    return np.mean(losses) if losses else 0.0


def triplet_hard(batch, others, proxies, margin):
    losses = []
    for i in range(len(batch[0])):
        positives, negatives = partners(batch, others, i)
        if len(positives) and len(negatives):
            far, near = np.sqrt(2 - 2 * positives.min()), np.sqrt(2 - 2 * negatives.max())
            losses.append(max(0.0, far - near + margin))
    return np.mean(losses)


def multi_similarity(batch, others, proxies, alpha, beta, base, epsilon):
    total = 0.0
    for i in range(len(batch[0])):
        positives, negatives = partners(batch, others, i)
        if len(positives) and len(negatives):
            hard = positives[positives - epsilon < negatives.max()]
            near = negatives[negatives + epsilon > positives.min()]
            total += np.log(1 + np.exp(-alpha * (hard - base)).sum()) / alpha
            total += np.log(1 + np.exp(beta * (near - base)).sum()) / beta
    return total / len(batch[0])


def supcon(batch, others, proxies, temperature):
    losses = []
    for i in range(len(batch[0])):
        positives, negatives = (part / temperature for part in partners(batch, others, i))
        if len(positives):
            losses.append(np.mean(log_sum(np.concatenate([positives, negatives])) - positives))
    return np.mean(losses)


def ntxent(batch, others, proxies, temperature):
    losses = []
    for i in range(len(batch[0])):
        positives, negatives = (part / temperature for part in partners(batch, others, i))
        losses += [log_sum([p, *negatives]) - p for p in positives]
    return np.mean(losses)


def cross_entropy(logits, labels):
    return np.mean([log_sum(row) - row[label] for row, label in zip(logits, labels, strict=True)])


def nsoftmax(batch, others, proxies, temperature):
    return cross_entropy(unit(batch[0]) @ unit(proxies.T).T / temperature, batch[1])


def arcface(batch, others, proxies, margin, scale):
    angles = np.arccos(unit(batch[0]) @ unit(proxies.T).T)
    angles[np.arange(len(LABELS)), batch[1]] += np.deg2rad(margin)
    assert angles.max() < np.pi  # beyond it is the package's own continuation
    return cross_entropy(np.cos(angles) * scale, batch[1])


def proxynca(batch, others, proxies, temperature):
    difference = unit(batch[0])[:, None] - unit(proxies)[None]
    return cross_entropy(-(difference**2).sum(axis=2) / temperature, batch[1])


def proxy_anchor(batch, others, proxies, margin, alpha):
    similarity = unit(batch[0]) @ unit(proxies).T
    near, far = [], []
    for proxy in range(CLASSES):
        own = batch[1] == proxy
        if own.any():
            near.append(np.log(1 + np.exp(-alpha * (similarity[own, proxy] - margin)).sum()))
        far.append(np.log(1 + np.exp(alpha * (similarity[~own, proxy] + margin)).sum()))
    return np.mean(near) + np.mean(far)


def smooth_ap(batch, others, proxies, temperature):
    """Rank of each positive among its class over its rank among all, the query being its own."""
    similarity = unit(batch[0]) @ unit(batch[0]).T
    losses = []
    for i, label in enumerate(batch[1]):
        same = np.flatnonzero(batch[1] == label)
        precisions = []
        for p in same:
            above = 1 / (1 + np.exp(-(similarity[i] - similarity[i, p]) / temperature))
            above[p] = 0
            precisions.append((1 + above[same].sum()) / (1 + above.sum()))
        losses.append(1 - np.mean(precisions))
    return np.mean(losses)


ORACLES = {
    function.__name__: function
    for function in (
        triplet, triplet_hard, multi_similarity, supcon, ntxent,
        nsoftmax, arcface, proxynca, proxy_anchor, smooth_ap,
    )
}  # fmt: skip
SOFTER = {"temperature": 0.3, "scale": 8.0}
"""Instead of defaults so sharp that most gradients vanish."""


def settings(name):
    row = LOSSES[name]
    return {key: SOFTER.get(key, value) for key, value in row.parameters}


def expected(name, batch, memory, proxies, parameters):
    oracle = ORACLES[name]
    value = oracle(batch, batch, proxies, **parameters)
    if LOSSES[name].uses_memory and memory is not None:
        value += oracle(batch, memory, proxies, **parameters)
    return value


def built(name, parameters):
    torch.manual_seed(3)
    loss = LOSSES[name].build(parameters, Space(classes=CLASSES, dims=DIMS)).double()
    (weights,) = tuple(loss.parameters()) or (torch.zeros(0, 0),)
    return loss, weights


def numeric_gradient(value, at):
    gradient = np.zeros_like(at)
    for index in np.ndindex(*at.shape):
        for sign in (1, -1):
            moved = at.copy()
            moved[index] += sign * 1e-6
            gradient[index] += sign * value(moved) / 2e-6
    return gradient


@pytest.mark.parametrize("with_memory", [False, True])
@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_definition(name, default, with_memory):
    parameters = dict(LOSSES[name].parameters) if default else settings(name)
    if name == "arcface":
        parameters["margin"] = 5.0
    loss, weights = built(name, parameters)
    for seed in range(3):
        batch, memory = batch_and_memory(seed)
        memory = memory if with_memory else None
        value = loss(labelled(*batch), labelled(*memory) if memory else None)
        proxies = weights.detach().numpy()
        oracle = expected(name, batch, memory, proxies, parameters)
        assert value.detach() == pytest.approx(oracle, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_differences_of_the_definition(name):
    parameters = settings(name) | ({"margin": 5.0} if name == "arcface" else {})
    loss, weights = built(name, parameters)
    (z, y, ids), memory = batch_and_memory(5)
    inputs = torch.from_numpy(z).requires_grad_()
    value = loss(labelled(inputs, y, ids), labelled(*memory))
    value.backward()
    proxies = weights.detach().numpy()

    def moved(descriptors):
        return expected(name, (descriptors, y, ids), memory, proxies, parameters)

    numeric = numeric_gradient(moved, z)
    assert np.abs(numeric).max() > 1e-3
    if weights.numel():
        np.testing.assert_allclose(
            weights.grad.numpy(),
            numeric_gradient(lambda w: expected(name, (z, y, ids), memory, w, parameters), proxies),
            atol=1e-6,
        )
    # the batch is also what it is compared with: the oracle moves both, as the graph does
    np.testing.assert_allclose(inputs.grad.numpy(), numeric, atol=2e-6)


def test_every_row_has_an_oracle_and_names_the_extra():
    assert set(ORACLES) == set(LOSSES)
    assert {row.extra for row in LOSSES.values()} == {"pml"}


def test_smooth_ap_says_which_batches_it_cannot_take():
    loss, _ = built("smooth_ap", {"temperature": 0.01})
    z, y, ids = batch_and_memory()[0]
    with pytest.raises(UsageError, match="not 2 and 3: take sampler=class_balanced"):
        loss(labelled(z[:-1], y[:-1], ids[:-1]), None)
