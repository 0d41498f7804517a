"""Tiles: the whole image's answer, without seams, whatever the size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imgan.errors import ImganError
from imgan.inference.device import choose
from imgan.inference.tiles import Span, run_tiled, spans, windows
from imgan.networks.plainsr import PlainSR

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network() -> PlainSR:
    """Wider weights than a fresh network has, so that the whole reach is felt."""
    torch.manual_seed(0)
    net = PlainSR(scale=2, width=4, blocks=2)
    for parameter in net.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
    return net.eval()


def image(height: int, width: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(height * 1000 + width)
    return rng.random((height, width, channels), np.float32)


side = st.integers(1, 70)


@settings(max_examples=40, deadline=None)
@given(height=side, width=side, tile=st.integers(4, 80), batch=st.integers(1, 5))
def test_tiles_equal_the_whole(network, height, width, tile, batch) -> None:
    pixels = image(height, width)
    whole = run_tiled(network, pixels, scale=2)
    tiled = run_tiled(network, pixels, scale=2, reach=network.reach, tile=tile, batch=batch)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_a_smaller_reach_would_show(network) -> None:
    whole = run_tiled(network, image(64, 64), scale=2)
    short = run_tiled(network, image(64, 64), scale=2, reach=network.reach - 3, tile=16)
    assert np.abs(whole - short).max() > 1e-4


@given(
    units=st.integers(1, 200),
    count=st.integers(1, 300),
    reach=st.integers(0, 40),
    multiple=st.integers(1, 8),
)
def test_spans_cover_an_axis_once(units, count, reach, multiple) -> None:
    length = units * multiple
    found = spans(length, count, reach, multiple)
    assert len(found) == min(count, units)
    assert [s.low for s in found] == [0, *(s.high for s in found[:-1])]
    assert found[-1].high == length
    assert len({s.stop - s.start for s in found}) == 1
    for s in found:
        assert 0 <= s.start <= max(0, s.low - reach)
        assert min(length, s.high + reach) <= s.stop <= length
        assert s.start % multiple == s.stop % multiple == 0


units = st.integers(1, 400)


@given(height=units, width=units, tile=st.integers(8, 300), reach=st.integers(0, 40))
def test_windows_are_of_bounded_area_and_compute_less_than_squares(
    height, width, tile, reach
) -> None:
    found = windows(height, width, tile, reach)

    def pixels(y: Span, x: Span) -> int:
        return (y.stop - y.start) * (x.stop - x.start)

    assert all(pixels(y, x) <= (tile + 2 * reach) * (tile + 2 * reach + 15) for y, x in found)
    assert all((x.stop - x.start) % 16 == 0 or x.stop - x.start == width for _, x in found)
    down, across = (spans(side, -(-side // tile), reach) for side in (height, width))
    squares = sum(pixels(y, x) for y in down for x in across)
    rounding = len(found) * (height + width + 4 * reach) * 16  # up to blocks of 16 pixels
    assert sum(pixels(y, x) for y, x in found) <= squares + rounding
    answered = sum((y.high - y.low) * (x.high - x.low) for y, x in found)
    assert answered == height * width


def test_strips_of_the_whole_width_where_memory_allows() -> None:
    assert len(windows(512, 512, 340, 23)) == 2
    assert len(windows(300, 300, 340, 23)) == 1


class Halves(nn.Module):
    """Takes sides that are multiples of 4 only."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.down = nn.Conv2d(3, 8, 4, 4)
        self.up = nn.ConvTranspose2d(8, 3, 4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[2] % 4 == x.shape[3] % 4 == 0
        assert min(x.shape[2:]) >= 8
        return self.up(self.down(x))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (13, 7), (30, 41), (32, 64)])
def test_size_multiple_and_minimum(size) -> None:
    pixels, network = image(*size), Halves().eval()
    options = {"size_multiple": 4, "minimum": 8, "value_range": (-1, 1)}
    whole = run_tiled(network, pixels, **options)
    assert whole.shape == pixels.shape
    tiled = run_tiled(network, pixels, **options, reach=4, tile=10)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_identity_keeps_every_value(dtype) -> None:
    if dtype == np.float32:
        pixels = image(40, 40)
    else:
        pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (40, 40, 3), dtype)
    for value_range in ((0.0, 1.0), (-1.0, 1.0)):
        out = run_tiled(lambda x: x, pixels, reach=2, tile=17, value_range=value_range)
        assert out.dtype == dtype
        np.testing.assert_allclose(out, pixels, atol=1e-6)


def test_progress_counts_tiles() -> None:
    seen: list[tuple[int, int]] = []
    run_tiled(
        lambda x: x, image(40, 40), reach=1, tile=20, batch=2, progress=lambda *a: seen.append(a)
    )
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("not enough memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_tiles_shrink_when_memory_runs_out(error) -> None:
    sides: list[int] = []

    def network(x: torch.Tensor) -> torch.Tensor:
        sides.append(x.shape[2])
        if x.shape[2] > 40:
            raise error
        return x

    pixels = image(100, 100)
    np.testing.assert_array_equal(run_tiled(network, pixels, reach=1, tile=256), pixels)
    assert min(sides) <= 40 < max(sides)
    with pytest.raises(ImganError, match="the computer has not the memory for 100x100"):
        run_tiled(network, pixels)  # the whole image at once is all that may be tried


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    def network(x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        run_tiled(network, image(20, 20))


@pytest.mark.parametrize(
    ("device", "precision", "sentence"),
    [
        ("gpu", "auto", "there is no device 'gpu'"),
        ("cuda:99", "auto", "no device 'cuda:99'"),
        ("cpu", "fp16", "precision is one of auto"),
    ],
)
def test_names_of_devices(device, precision, sentence) -> None:
    with pytest.raises(ImganError, match=sentence):
        choose(device, precision)


def test_choice_of_precision() -> None:
    assert choose("cpu", "float32") == (torch.device("cpu"), torch.float32)
    assert choose("cpu", "bf16")[1] == torch.bfloat16
