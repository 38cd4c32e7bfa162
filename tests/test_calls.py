"""registry.calls: name(a=1,b=2), sums of such, and sweeps over their parameters."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.calls import format_call, number, parse_call, split_outside, sweep, written
from registry.errors import UsageError

NAMES = st.text("abc_", min_size=1, max_size=4)
VALUES = st.text("0123456789.e-", min_size=1, max_size=4)
CALLS = st.tuples(NAMES, st.dictionaries(NAMES, VALUES, max_size=3))
CHOICES = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=2), max_size=2)


@given(CALLS)
def test_what_is_written_is_read(call):
    assert parse_call(format_call(*call), "thing") == call


@pytest.mark.parametrize("text", ["a", "a()"])
def test_parentheses_with_nothing_in_them_may_be_left_out(text):
    assert parse_call(text, "thing") == ("a", {})


@pytest.mark.parametrize(
    "text", ["", "(b=1)", "a(b=1", "a b=1)", "a(b)", "a(b=1,2)", "a(b=1)c", "a((b=1))"]
)
def test_what_is_no_call_is_said(text):
    with pytest.raises(UsageError, match="is not of the form name"):
        parse_call(text, "thing")


def test_a_parameter_given_twice_is_an_error():
    with pytest.raises(UsageError, match=r"thing 'a\(b=1,b=2\)' gives b twice"):
        parse_call("a(b=1,b=2)", "thing")


@given(st.lists(CALLS, min_size=1, max_size=4), st.sampled_from(",+"))
def test_separators_inside_parentheses_do_not_split(calls, separator):
    terms = [format_call(*call) for call in calls]
    assert split_outside(separator.join(terms), separator) == terms


def test_an_exponent_with_a_sign_is_no_sum():
    assert split_outside("a(b=1e+5)+c", "+") == ["a(b=1e+5)", "c"]


@given(st.lists(st.tuples(NAMES, CHOICES), min_size=1, max_size=2))
def test_a_sweep_is_the_product_of_all_values_the_first_slowest(terms):
    texts = [
        format_call(name, {one: ",".join(values) for one, values in choices.items()})
        for name, choices in terms
    ]
    wanted = [
        [
            format_call(name, dict(zip(choices, values, strict=True)))
            for values in itertools.product(*choices.values())
        ]
        for name, choices in terms
    ]
    assert sweep("+".join(texts)) == ["+".join(chosen) for chosen in itertools.product(*wanted)]


@pytest.mark.parametrize("text", ["a", "a()", "a(b=1", "a(b=1)c", "a(1)"])
def test_what_is_no_sweep_stays_as_it_is(text):
    assert sweep(text) == [text]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_is_the_same_number(value):
    assert number("x", written(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (35_000.0, "35000"), (3e-5, "3e-05"), (0.123456789, "0.123456789")],
)
def test_numbers_are_written_as_people_do(value, text):
    assert written(value) == text


@pytest.mark.parametrize("value", ["x", "", "nan", "inf", "-inf", "1e999", "yes"])
def test_what_is_no_finite_number_is_said(value):
    with pytest.raises(UsageError, match=r"a\.b must be a number, not "):
        number("a.b", value)
