"""results.stats.holm: against the definition, and against R's p.adjust."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.stats.holm import holm

P_VALUES = st.lists(
    st.sampled_from([0.0, 0.001, 0.01, 0.01, 0.02, 0.04, 0.05, 0.3, 1.0]), max_size=9
)


def rejected(p_values, alpha):
    """Holm 1979: go through them from the least, stop at the first above alpha / (those left)."""
    found = set()
    left = sorted(range(len(p_values)), key=lambda place: p_values[place])
    while left and p_values[left[0]] <= alpha / len(left):
        found.add(left.pop(0))
    return found


def test_a_published_example():
    """p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm"), and one whose order is mixed."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_none_one_and_too_large():
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@given(P_VALUES, st.sampled_from([0.011, 0.051, 0.1007, 0.35]))
@settings(max_examples=60)
def test_it_finds_what_the_steps_find(p_values, alpha):
    found = {place for place, p in enumerate(holm(p_values)) if p <= alpha}
    assert found == rejected(p_values, alpha)


@given(st.lists(st.floats(0, 1), max_size=9))
@settings(max_examples=60)
def test_it_raises_p_values_keeps_their_order_and_is_at_most_bonferronis(p_values):
    adjusted = holm(p_values)
    for p, found in zip(p_values, adjusted, strict=True):
        assert p <= found <= min(1.0, len(p_values) * p)
    by_raw = [adjusted[place] for place in sorted(range(len(p_values)), key=p_values.__getitem__)]
    assert by_raw == sorted(by_raw)


@given(P_VALUES)
@settings(max_examples=60)
def test_it_does_not_matter_in_which_order_they_come(p_values):
    adjusted = dict(zip(p_values, holm(p_values), strict=True))
    assert holm(p_values[::-1]) == holm(p_values)[::-1]
    assert holm(sorted(p_values)) == [adjusted[p] for p in sorted(p_values)]
