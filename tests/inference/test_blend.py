"""Blended tiles: weights that sum to one, no seams, and no tile beyond what memory holds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.inference.blend import fit, run_blended, starts, weights
from imgan.inference.memory import bytes_per_pixel, free_memory
from imgan.inference.tiles import OutOfMemory
from imgan.networks import build

axes = {
    "units": st.integers(1, 300),
    "side": st.integers(2, 40),
    "overlap": st.integers(0, 400),
    "step": st.sampled_from([1, 4, 16]),
}


@given(**axes)
def test_weights_sum_to_one(units, side, overlap, step) -> None:
    side, length = side * step, max(units, side) * step
    overlap = min(overlap, side // 2)
    begin = starts(length, side, overlap, step)
    assert begin[0] == 0
    assert begin[-1] + side == length
    total = np.zeros(length)
    for at, weight in zip(begin, weights(begin, side, overlap), strict=True):
        assert at % step == 0
        assert weight.min() >= 0
        total[at : at + side] += weight
    np.testing.assert_allclose(total, 1, atol=1e-12)


def test_neighbours_share_the_overlap_and_go_over_smoothly() -> None:
    begin = starts(1000, 256, 32, 16)
    assert all(256 - (after - before) >= 32 for before, after in pairwise(begin))
    for weight in weights(begin, 256, 32):
        assert np.abs(np.diff(weight)).max() < np.pi / 2 / 32 + 1e-9


def pixelwise(x: torch.Tensor) -> torch.Tensor:
    """A network that knows no place: its blended tiles are its answer to the whole."""
    return (x * 0.7 + 0.2 * x.flip(1)).clamp(-1, 1)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    tile=st.integers(1, 70),
    overlap=st.integers(0, 40),
    multiple=st.sampled_from([1, 4, 32]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
)
def test_a_position_independent_network_gives_the_whole(
    height, width, tile, overlap, multiple, dtype
) -> None:
    pixels = np.random.default_rng(0).random((height, width, 3), np.float32)
    if dtype != np.float32:
        pixels = (pixels * np.iinfo(dtype).max).astype(dtype)
    options = {"value_range": (-1.0, 1.0), "size_multiple": multiple, "minimum": 2}
    sides = []

    def network(x: torch.Tensor) -> torch.Tensor:
        sides.append(x.shape[2:])
        return pixelwise(x)

    out = run_blended(network, pixels, tile=tile, overlap=overlap, **options)
    whole = run_blended(pixelwise, pixels, tile=1000, **options)
    assert out.shape == pixels.shape
    assert out.dtype == dtype
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    assert np.abs(out.astype(float) - whole).max() <= (1e-5 * white if white != 255 else 1)
    assert all(
        side % multiple == 0 and side <= fit(max(tile, 2), multiple) for s in sides for side in s
    )


def test_tiles_of_different_tone_leave_no_step() -> None:
    tones = iter(np.linspace(0.2, 0.8, 100))

    def network(x: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, float(next(tones)))

    out = run_blended(network, np.zeros((64, 400, 1), np.float32), tile=64, overlap=32)
    assert out.min() >= 0.2
    assert np.abs(np.diff(out, axis=1)).max() < (0.6 / 99) * np.pi / 2 / 32 * 1.1
    assert len(np.unique(out[0])) > 100


def test_tiles_shrink_when_memory_runs_out() -> None:
    sides = []

    def network(x: torch.Tensor) -> torch.Tensor:
        sides.append(x.shape[2])
        if x.shape[2] > 40:
            raise MemoryError
        return x

    pixels = np.random.default_rng(0).random((100, 100, 3), np.float32)
    out = run_blended(network, pixels, tile=96, size_multiple=4)
    np.testing.assert_allclose(out, pixels, atol=1e-5)
    assert min(sides) <= 40 < max(sides)
    with pytest.raises(OutOfMemory, match="has not the memory for 100x100"):
        run_blended(network, pixels, tile=96, size_multiple=64)


def test_memory_of_a_network() -> None:
    narrow, wide = (build("resnet", {"width": width, "blocks": 2}) for width in (4, 8))
    few, many = (bytes_per_pixel(network, 3, 64) for network in (narrow, wide))
    # Two maps of full size at least, which are floats.
    assert few >= 2 * 4 * 4
    assert few < many < 2.2 * few
    assert bytes_per_pixel(narrow, 3, 128) == pytest.approx(few, rel=0.1)
    assert 2**20 < free_memory(torch.device("cpu")) < 2**50
