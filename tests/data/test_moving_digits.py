"""Moving digits follow the standard generator's rules."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan.data.moving_digits import (
    SIDE,
    MovingDigits,
    held_out_sequences,
    read_digits,
    sequence,
    split_digits,
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
    inside = (places[1:-1] > 19).all(1) & (places[1:-1] < SIDE - 19).all(1)
    ways = np.hypot(*np.diff(places, axis=0).T)[1:][inside]
    if len(ways):  # away from the sides a step is a tenth of the free way, to whole pixels
        assert np.abs(ways - 0.1 * free).max() <= 1.5


def test_two_digits_and_the_brighter_pixel():
    frames = sequence(np.full((1, 28, 28), 200, np.uint8), 5, np.random.default_rng(0))
    assert frames.shape == (5, SIDE, SIDE)
    assert set(np.unique(frames)) == {0, 200}
    assert 28 * 28 <= (frames[0] > 0).sum() <= 2 * 28 * 28


def test_a_digit_flies_as_the_standard_generator_lets_it():
    turns = 0
    for seed in range(40):
        frames = sequence(np.full((1, 28, 28), 9, np.uint8), 30, np.random.default_rng(seed), 1)
        rng = np.random.default_rng(seed)
        rng.integers(1)  # which digit
        place, angle = list(rng.random(2)), rng.random() * 2 * np.pi
        speed = [np.sin(angle), np.cos(angle)]
        for frame in frames:
            for axis in (0, 1):
                place[axis] += speed[axis] * 0.1
                if place[axis] <= 0:
                    place[axis], speed[axis] = 0, -speed[axis]
                elif place[axis] >= 1:
                    place[axis], speed[axis] = 1, -speed[axis]
                turns += place[axis] in (0, 1)
            assert np.argwhere(frame)[0].tolist() == [int(36 * place[0]), int(36 * place[1])]
    assert turns > 100


def digits_of(seed, count=20):
    return MovingDigits(dots(count)[2:], dots(count)[:2], 4, 3, seed)


def test_items_are_functions_of_their_number():
    one, two, other = digits_of(7), digits_of(7), digits_of(8)
    assert one.fingerprint == two.fingerprint != other.fingerprint
    moved = MovingDigits(dots()[3:], dots()[:3], 4, 3, 7)
    assert moved.fingerprint != one.fingerprint
    for key, shape in (("past", (4, 1, 64, 64)), ("future", (3, 1, 64, 64))):
        assert one[5][key].shape == shape
        assert torch.equal(one[5][key], two[5][key])
        assert not torch.equal(one[5][key], one[6][key])
        assert 0 <= one[5][key].min() <= one[5][key].max() <= 1


def values(items, numbers):
    return {int(v) for i in numbers for v in (items[i]["past"] * 255).round().unique() if v}


def test_previews_show_digits_that_training_never_sees():
    items = digits_of(0)
    assert values(items, range(60)) == set(range(102, 120))
    assert values(items, range(PREVIEW, PREVIEW + 9)) == {100, 101}
    assert items.summary() == {"digits": 18, "held_out": 2}
    alone = MovingDigits(dots(1), dots(0), 4, 3, 0)
    assert values(alone, [PREVIEW]) == {100}


def test_of_digits_sorted_by_class_a_tenth_of_all_classes_is_held_out(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 100, (500, 28, 28), np.uint8)
    images[:, 0, 0] = np.repeat(np.arange(10), 50)  # its class
    np.savez(tmp_path / "sorted.npz", images=images)
    train, held_out = split_digits(tmp_path / "sorted.npz")
    assert (train.shape, held_out.shape) == ((450, 28, 28), (50, 28, 28))
    assert len(set(held_out[:, 0, 0].tolist())) == 10
    both = {digit.tobytes() for digit in (*train, *held_out)}
    assert both == {digit.tobytes() for digit in images}
    np.savez(tmp_path / "mixed.npz", images=rng.permutation(images))
    assert np.array_equal(split_digits(tmp_path / "mixed.npz")[1], held_out)
    np.savez(tmp_path / "one.npz", images=images[:1])
    assert [len(part) for part in split_digits(tmp_path / "one.npz")] == [1, 0]


@pytest.mark.parametrize("name", ["test", "val"])
def test_the_files_own_test_digits_are_held_out(tmp_path, name):
    words = np.array([f"digit {i % 10}" for i in range(20)])  # no numbers
    arrays = {"x_train": dots()[:15], "y_train": words[:15]}
    np.savez(tmp_path / "a.npz", **arrays, **{f"x_{name}": dots()[15:], f"y_{name}": words[15:]})
    train, held_out = split_digits(tmp_path / "a.npz")
    assert np.array_equal(train, dots()[:15]) and np.array_equal(held_out, dots()[15:])
    assert np.array_equal(read_digits(tmp_path / "a.npz"), dots())
    np.savez(tmp_path / "three.npz", x_train=dots()[:9], x_val=dots()[9:15], x_test=dots()[15:])
    train, held_out = split_digits(tmp_path / "three.npz")
    assert np.array_equal(train, dots()[:15]) and np.array_equal(held_out, dots()[15:])
    np.savez(tmp_path / "only.npz", x_test=dots())
    assert [len(part) for part in split_digits(tmp_path / "only.npz")] == [18, 2]


def test_the_test_set_is_named_by_its_seed():
    one = list(held_out_sequences(dots(), 6, 3, seed=1))
    assert np.array_equal(one, list(held_out_sequences(dots(), 6, 3, seed=1)))
    assert not np.array_equal(one[0], next(held_out_sequences(dots(), 6, 1, seed=2)))


def test_only_small_square_grey_images_are_digits(tmp_path):
    np.savez(tmp_path / "good.npz", images=dots(), labels=np.zeros(20, np.int64))
    assert np.array_equal(read_digits(tmp_path / "good.npz"), dots())
    for name, shape, words in (
        ("large", (3, 80, 80), "holds images of 80x80;"),
        ("long", (3, 20, 28), "holds images of 28x20;"),
        ("colour", (3, 28, 28, 3), "holds images of 28x28 in colour;"),
    ):
        np.savez(tmp_path / f"{name}.npz", images=np.zeros(shape, np.uint8), labels=np.zeros(3))
        for call in (read_digits, split_digits):
            with pytest.raises(ImganError, match=rf"{name}\.npz {words}"):
                call(tmp_path / f"{name}.npz")
    Image.new("L", (28, 28)).save(tmp_path / "1.png")
    with pytest.raises(ImganError, match="holds image files or ready"):
        split_digits(tmp_path)
    sizes = {"x_train": np.zeros((3, 28, 28), np.uint8), "x_test": np.zeros((3, 20, 20), np.uint8)}
    np.savez(tmp_path / "sizes.npz", **sizes)
    with pytest.raises(ImganError, match="several sizes"):
        split_digits(tmp_path / "sizes.npz")
