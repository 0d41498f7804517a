"""The rate as a function of the step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgan.recipe import Schedule
from imgan.training.schedule import rate_factor


def test_warm_up_stable_decay():
    schedule = Schedule(warmup=9, decay=0.5, shape="linear")
    factors = [rate_factor(schedule, step, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:51] == [1.0] * 42
    assert factors[75] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.02)


def test_cosine_and_its_floor():
    schedule = Schedule(decay=1.0, shape="cosine", floor=0.1)
    assert rate_factor(schedule, 0, 10) == pytest.approx(1.0)
    assert rate_factor(schedule, 5, 10) == pytest.approx(0.1 + 0.9 * 0.5)


def test_without_decay_the_rate_stays():
    assert {rate_factor(Schedule(decay=0), step, 7) for step in range(7)} == {1.0}


@given(
    warmup=st.integers(0, 20),
    decay=st.floats(0, 1),
    floor=st.floats(0, 1),
    shape=st.sampled_from(["linear", "cosine"]),
    steps=st.integers(1, 50),
)
def test_the_factor_lies_between_zero_and_one(warmup, decay, floor, shape, steps):
    schedule = Schedule(warmup=warmup, decay=decay, floor=floor, shape=shape)
    for step in range(steps):
        assert 0 <= rate_factor(schedule, step, steps) <= 1 + 1e-9
