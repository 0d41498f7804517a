import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgan.lab import costs

FORMS = {
    "minimax": (lambda d: math.log(1 - d), lambda d: d),
    "non-saturating": (lambda d: -math.log(d), lambda d: 1 - d),
    "maximum likelihood": (lambda d: -d / (1 - d), lambda d: d / (1 - d)),
}


@given(st.sampled_from(sorted(FORMS)), st.floats(1e-6, 1 - 1e-6))
def test_costs_and_slopes_have_their_closed_forms(name, verdict):
    cost, slope = FORMS[name]
    found = costs.at(costs.LOSSES[name], verdict)
    assert found == pytest.approx((cost(verdict), slope(verdict)), rel=1e-6, abs=1e-12)


def test_at_the_ends_who_pulls_and_who_does_not():
    seen_through = {n: costs.at(loss, 1e-9)[1] for n, loss in costs.LOSSES.items()}
    assert seen_through["non-saturating"] == pytest.approx(1)
    assert seen_through["minimax"] < 1e-8 and seen_through["maximum likelihood"] < 1e-8
    fooled = {n: costs.at(loss, 1 - 1e-6)[1] for n, loss in costs.LOSSES.items()}
    assert fooled["maximum likelihood"] > 1e5 and fooled["minimax"] == pytest.approx(1, rel=1e-5)
    assert fooled["non-saturating"] < 1e-5


def test_the_take_is_made_from_the_numbers():
    section = costs.tell(costs.run(1, True, lambda share: None))
    assert "the non-saturating cost pulls 99 times as hard as the minimax one" in section.take
    assert [len(chart.series) for chart, _ in section.charts] == [3, 3]
