"""registry.losses: how a loss is written; tests/test_contrastive.py and so on compute them."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import UsageError
from registry.losses import (
    LOSSES,
    build_loss,
    check_installed,
    format_loss,
    loss_row,
    parse_loss,
)
from registry.losses.labelled import Labelled
from registry.losses.space import Space

SPACE = Space(classes=3, dims=4)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
ALONE = [row.name for row in LOSSES.values() if row.build and not row.regulariser]
REGULARISERS = [row.name for row in LOSSES.values() if row.regulariser]


def batch():
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(6, 4), dim=1)
    return Labelled(rows, torch.arange(6) % 3, torch.arange(6))


@st.composite
def sums(draw):
    """Terms with values of their own, at least one of which trains by itself."""
    first = draw(st.sampled_from(ALONE))
    names = [first, *draw(st.lists(st.sampled_from(list(LOSSES)[1:]), max_size=2))]
    terms = []
    for name in dict.fromkeys(names):
        known = [parameter for parameter, _ in LOSSES[name].parameters]
        given_ = draw(st.dictionaries(st.sampled_from(known), NUMBERS)) if known else {}
        inside = ",".join(f"{parameter}={value!r}" for parameter, value in given_.items())
        terms.append(f"{name}({inside})" if inside else name)
    return "+".join(draw(st.permutations(terms)))


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "contrastive",
        "contrastive(beta=0.3)",
        "contrastive+koleo(lambda=0.1)",
        "contrastive+snca",
        "contrastive(beta=0.3)+snca+koleo(lambda=0.1)",
    ],
)
def test_one_text_form(text):
    assert format_loss(parse_loss(text)) == text


@given(sums())
def test_what_is_written_is_read(text):
    terms = parse_loss(text)
    again = format_loss(terms)
    assert parse_loss(again) == terms
    assert format_loss(parse_loss(again)) == again


@pytest.mark.parametrize("text", ["contrastive(beta=0.5)", "contrastive()", "contrastive(beta=.5)"])
def test_a_default_written_out_is_the_same_loss(text):
    assert format_loss(parse_loss(text)) == "contrastive"


def test_a_term_has_all_its_parameters():
    (first, second) = parse_loss("recall_surrogate(tau2=0.1)+koleo")
    assert first.parameters == {"tau1": 1.0, "tau2": 0.1, "largest_k": 16.0}
    assert second.parameters == {"lambda": 0.7}
    assert (first.row.name, second.row.regulariser) == ("recall_surrogate", True)


def test_a_default_is_not_changed_by_what_was_typed():
    parse_loss("contrastive(beta=0.1)")
    assert parse_loss("contrastive")[0].parameters == {"beta": 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contrastve", "did you mean 'contrastive'"),
        ("contrastive(betta=1)", "unknown parameter of loss contrastive 'betta'; did you mean"),
        ("contrastive(beta=x)", "beta must be a number, not 'x'"),
        ("contrastive(beta=nan)", "beta must be a number"),
        ("contrastive(beta=1", "not of the form"),
        ("contrastive+", "loss '' is not of the form"),
        ("contrastive+koleo(beta=0.3)", "unknown parameter of loss koleo 'beta'"),
        ("contrastive+contrastive(beta=0.3)", "names a term twice"),
        ("none+koleo", "none is no summand: it trains nothing"),
        ("contrastive+none", "none is no summand: it trains nothing"),
        ("none(beta=1)", "unknown parameter of loss none 'beta'"),
        ("koleo", r"koleo is a regulariser: write contrastive\+koleo"),
        ("koleo(lambda=0.3)", r"is a regulariser: write contrastive\+koleo\(lambda=0.3\)"),
        ("koleo+koleo_memory", "koleo is a regulariser"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(UsageError, match=message):
        parse_loss(text)


def test_every_term_is_built_by_its_name():
    built = build_loss("contrastive(beta=0.2)+koleo(lambda=0.3)", SPACE)
    assert list(built) == ["contrastive", "koleo"]
    for name, text in {
        "contrastive": "contrastive(beta=0.2)",
        "koleo": "koleo(lambda=0.3)",
    }.items():
        (term,) = [term for term in parse_loss(f"snca+{text}") if term.row.name == name]
        alone = term.row.build(term.parameters, SPACE)
        assert torch.equal(built[name](batch(), None), alone(batch(), None))


def test_no_training_builds_nothing():
    assert build_loss("none", SPACE) == {}


@pytest.mark.parametrize("name", [name for name in ALONE if not LOSSES[name].extra])
def test_every_row_is_a_scalar_with_a_gradient(name):
    one = batch()
    one = one._replace(descriptors=one.descriptors.requires_grad_())
    value = build_loss(name, SPACE)[name](one, None)
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(one.descriptors.grad).all()
    assert one.descriptors.grad.any()


@pytest.mark.parametrize("row", LOSSES.values(), ids=lambda row: row.name)
def test_a_row_says_what_it_is(row):
    assert row.meaning
    assert row.source
    assert (row.build is None) == (row.name == "none")
    assert not any(set(name) & set("+(),=: ") for name in (row.name, *dict(row.parameters)))
    assert row == replace(row)


class TestOfTheLibrary:
    """pml:NAME, any loss of pytorch-metric-learning."""

    @pytest.fixture(autouse=True)
    def _library(self):
        pytest.importorskip("pytorch_metric_learning")

    @pytest.mark.parametrize(
        "text", ["pml:TripletMarginLoss", "pml:ProxyAnchorLoss(margin=0.2)+koleo(lambda=0.1)"]
    )
    def test_one_text_form(self, text):
        assert format_loss(parse_loss(text)) == text

    def test_a_row_is_of_the_extra(self):
        assert loss_row("pml:TripletMarginLoss").extra == "pml"
        assert loss_row("contrastive").extra == ""

    def test_an_unknown_one_is_said(self):
        with pytest.raises(UsageError, match="did you mean"):
            parse_loss("pml:TripletMarginLos")
        with pytest.raises(UsageError, match="unknown parameter of loss pml:TripletMarginLoss"):
            parse_loss("pml:TripletMarginLoss(beta=1)")

    def test_a_sum_with_proxies_moves_them(self):
        built = build_loss("pml:ProxyAnchorLoss+contrastive", SPACE)
        one = batch()
        sum(term(one, None) for term in built.values()).backward()
        moved = [p for p in built["pml:ProxyAnchorLoss"].parameters() if p.grad is not None]
        assert [p.shape for p in moved] == [(3, 4)]


def test_a_loss_of_a_package_that_is_missing_says_what_to_install(monkeypatch):
    check_installed("contrastive+koleo")
    check_installed("proxy_anchor+koleo")
    monkeypatch.setattr("registry.losses.pml.importlib.util.find_spec", lambda name: None)
    check_installed("contrastive+koleo")
    with pytest.raises(UsageError, match=r"pip install 'retrieval-bench\[pml\]'"):
        check_installed("proxy_anchor+koleo")


def test_a_sum_is_one_loss_in_whatever_order_it_is_typed():
    texts = ("koleo(lambda=0.3)+snca+contrastive", "snca+contrastive+koleo(lambda=0.3)")
    assert len({format_loss(parse_loss(text)) for text in texts}) == 1
    assert format_loss(parse_loss("koleo+contrastive")) == "contrastive+koleo"
