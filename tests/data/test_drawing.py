"""Drawings: a stepped picture, and the same in smooth lines."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.data.drawing import drawing

PHOTO = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_both_show_the_same(seed: int, scale: int) -> None:
    high, low = drawing(PHOTO, scale, np.random.default_rng(seed))
    assert high.shape == (24 * scale, 24 * scale, 3) and low.shape == (24, 24, 3)
    assert high.dtype == low.dtype == np.uint8
    # Stepped: no colours but those drawn with, a paper and at most six inks.
    assert len(np.unique(low.reshape(-1, 3), axis=0)) <= 7
    again = drawing(PHOTO, scale, np.random.default_rng(seed))
    assert (again[0] == high).all() and (again[1] == low).all()


def test_they_lie_on_each_other() -> None:
    errors, moved = [], []
    for seed in range(60):
        high, low = drawing(PHOTO, 4, np.random.default_rng(seed))
        mean = high.reshape(24, 4, 24, 4, 3).mean((1, 3))
        errors.append(np.abs(mean - low).mean())
        for axis in (0, 1):
            for step in (-1, 1):
                moved.append(np.abs(np.roll(mean, step, axis) - low)[1:-1, 1:-1].mean())
    assert np.mean(errors) < 0.5 * np.mean(moved)


def test_as_much_ink() -> None:
    difference = []
    for seed in range(200):
        high, low = drawing(PHOTO, 4, np.random.default_rng(seed))
        difference.append(high.mean() - low.mean())
    assert abs(np.mean(difference)) < 1  # grey levels: else lines would grow or fade
