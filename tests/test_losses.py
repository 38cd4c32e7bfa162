"""registry.losses: how a loss is written; tests/test_contrastive.py and so on compute them."""

import pytest

from registry.errors import UsageError
from registry.losses import format_loss, parse_loss


@pytest.mark.parametrize(
    "text", ["none", "contrastive", "contrastive(beta=0.3)", "contrastive+koleo(lambda=0.1)"]
)
def test_one_text_form(text):
    assert format_loss(*parse_loss(text)) == text


def test_a_default_written_out_is_the_same_loss():
    assert format_loss(*parse_loss("contrastive(beta=0.5)")) == "contrastive"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contrastve", "did you mean 'contrastive'"),
        ("contrastive(betta=1)", "unknown parameter of loss contrastive 'betta'; did you mean"),
        ("contrastive(beta=x)", "beta must be a number, not 'x'"),
        ("contrastive(beta=nan)", "beta must be a number"),
        ("contrastive(beta=1", "not of the form"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(UsageError, match=message):
        parse_loss(text)
