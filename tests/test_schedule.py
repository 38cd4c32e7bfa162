"""bench.train.schedule: the learning rate of each step."""

from dataclasses import replace
from math import cos, exp, pi

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.train.schedule import rate_at, set_rate
from registry.recipes import RECIPES

PLAIN = replace(RECIPES["smoke"], steps=60, warmup_steps=0)


def rates(**changes):
    recipe = replace(PLAIN, **changes)
    return [rate_at(step, recipe) for step in range(recipe.steps)]


def test_cosine_goes_from_one_to_nothing():
    assert rates() == pytest.approx([(1 + cos(pi * step / 60)) / 2 for step in range(60)])


def test_constant_stays():
    assert rates(schedule="constant") == [1.0] * 60


def test_exponential_is_torchs_stepped_after_each_epoch():
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.ExponentialLR(optimiser, exp(-0.01))
    expected = []
    for step in range(60):
        expected.append(oracle.get_last_lr()[0])
        optimiser.step()
        if (step + 1) % 7 == 0:
            oracle.step()
    found = rates(schedule="exponential", decay=exp(-0.01), epoch_steps=7)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found[6] == 1.0 > found[7]


@pytest.mark.parametrize("schedule", ["cosine", "constant", "exponential"])
def test_warm_up_is_linear_and_ends_at_the_schedule(schedule):
    about = {"schedule": schedule, "decay": 0.9, "epoch_steps": 20}
    plain, warm = rates(**about), rates(**about, warmup_steps=4)
    shares = [one / other for one, other in zip(warm, plain, strict=True)]
    assert shares == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 57)


@given(
    schedule=st.sampled_from(["cosine", "constant", "exponential"]),
    steps=st.integers(1, 500),
    warmup_steps=st.integers(0, 600),
    decay=st.floats(0.5, 1.0),
    epoch_steps=st.integers(1, 600),
)
def test_no_rate_is_nothing_or_above_the_full_one(**fields):
    assert all(0 < rate <= 1 for rate in rates(**fields))


def test_each_group_has_its_factor():
    one, other = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimiser = torch.optim.SGD(
        [{"params": [one], "factor": 1.0}, {"params": [other], "factor": 10.0}], lr=9.0
    )
    set_rate(optimiser, 0.25)
    assert [group["lr"] for group in optimiser.param_groups] == [0.25, 2.5]
