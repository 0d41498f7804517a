"""Moving digits follow the standard generator's rules."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.data.moving_digits import (
    SIDE,
    MovingDigits,
    held_out_sequences,
    read_digits,
    sequence,
)
from imgan.data.translation import PREVIEW
from imgan.errors import ImganError


def dots(count=20):
    """Digits of one bright block each, whose brightness tells which digit it is."""
    digits = np.zeros((count, 28, 28), np.uint8)
    digits[:, 10:18, 10:18] = np.arange(100, 100 + count)[:, None, None]
    return digits


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_digit_keeps_its_speed_and_stays_inside(seed):
    frames = sequence(dots(1), 20, np.random.default_rng(seed), count=1)
    places = np.array([np.argwhere(frame).mean(0) for frame in frames])
    assert (np.array([frame.astype(bool).sum() for frame in frames]) == 64).all()  # never cut
    steps = np.abs(np.diff(places, axis=0))
    free = SIDE - 28
    assert steps.max() <= 0.1 * free + 1
    inside = (places[1:-1] > 16).all(1) & (places[1:-1] < SIDE - 16).all(1)
    ways = np.hypot(*np.diff(places, axis=0).T)[1:][inside]
    if len(ways):  # away from the sides a step is a tenth of the free way, to whole pixels
        assert np.abs(ways - 0.1 * free).max() <= 1.5


def test_two_digits_and_the_brighter_pixel():
    frames = sequence(np.full((1, 28, 28), 200, np.uint8), 5, np.random.default_rng(0))
    assert frames.shape == (5, SIDE, SIDE)
    assert set(np.unique(frames)) == {0, 200}
    assert 28 * 28 <= (frames[0] > 0).sum() <= 2 * 28 * 28


def test_items_are_functions_of_their_number():
    one, two = (MovingDigits(dots(), 4, 3, 7) for _ in range(2))
    other = MovingDigits(dots(), 4, 3, 8)
    assert one.fingerprint == two.fingerprint != other.fingerprint
    for key, shape in (("past", (4, 1, 64, 64)), ("future", (3, 1, 64, 64))):
        assert one[5][key].shape == shape
        assert torch.equal(one[5][key], two[5][key])
        assert not torch.equal(one[5][key], one[6][key])
        assert 0 <= one[5][key].min() <= one[5][key].max() <= 1


def test_previews_show_digits_that_training_never_sees():
    items = MovingDigits(dots(20), 2, 1, 0)
    train = {int(v) for i in range(60) for v in (items[i]["past"] * 255).round().unique() if v}
    shown = {int(v) for i in range(9) for v in (items[PREVIEW + i]["past"] * 255).round().unique()}
    assert train == set(range(100, 118))
    assert shown <= {0, 118, 119}


def test_the_test_set_is_named_by_its_seed():
    one = list(held_out_sequences(dots(), 6, 3, seed=1))
    assert np.array_equal(one, list(held_out_sequences(dots(), 6, 3, seed=1)))
    assert not np.array_equal(one[0], next(held_out_sequences(dots(), 6, 1, seed=2)))


def test_only_small_square_grey_images_are_digits(tmp_path):
    np.savez(tmp_path / "good.npz", images=dots(), labels=np.zeros(20, np.int64))
    assert np.array_equal(read_digits(tmp_path / "good.npz"), dots())
    np.savez(tmp_path / "bad.npz", images=np.zeros((3, 80, 80), np.uint8), labels=np.zeros(3))
    with pytest.raises(ImganError, match=r"bad\.npz holds images of 80x80"):
        read_digits(tmp_path / "bad.npz")
