import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.lab import orbit

RATES = st.floats(0.01, 0.5)


@settings(max_examples=5, deadline=None)
@given(RATES)
def test_simultaneous_steps_go_outward_by_the_same_factor_each(rate):
    places, _ = orbit.play(30, rate, simultaneous=True)
    radii = [math.hypot(*place) for place in places]
    for before, after in zip(radii, radii[1:], strict=False):
        assert after / before == pytest.approx(math.sqrt(1 + rate**2), rel=1e-12)


@settings(max_examples=5, deadline=None)
@given(RATES)
def test_alternating_steps_stay_on_an_ellipse(rate):
    places, _ = orbit.play(30, rate, simultaneous=False)
    kept = [x * x + y * y - rate * x * y for x, y in places]
    assert kept == pytest.approx([kept[0]] * len(kept), rel=1e-9)


def test_the_averages_come_near_and_the_players_do_not():
    found = orbit.run(1, True, lambda share: None)
    radii = {way: found.radii(way) for way in found.places}
    assert radii["averaged"][-1] < 0.2 * radii["averaged"][0]
    assert radii["EMA"][-1] < 0.7 * radii["EMA"][0]
    assert min(radii["alternating"]) > 0.9 * radii["alternating"][0]
    # Over t steps an average of circles is at most of the size 1 / t.
    assert all(r * t < 25 for t, r in enumerate(radii["averaged"], 1))
    assert found.places["averaged"][-1] == pytest.approx(
        [sum(v) / len(v) for v in zip(*found.places["alternating"], strict=True)]
    )
