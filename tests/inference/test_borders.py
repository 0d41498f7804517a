"""Images that end in flat colour: the network sees it go on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imgan.inference.borders import extend_flat_sides
from imgan.inference.tiles import run_tiled
from imgan.networks.plainsr import PlainSR


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@given(st.sets(st.sampled_from(["top", "bottom", "left", "right"])), st.integers(1, 4))
def test_only_flat_sides_grow(sides: set[str], scale: int) -> None:
    pixels = noise(12, 16)
    if "left" in sides:
        pixels[:, :4] = pixels[:, :1]
    if "right" in sides:
        pixels[:, -4:] = pixels[:, -1:]
    if "top" in sides:
        pixels[:4] = pixels[0]
    if "bottom" in sides:
        pixels[-4:] = pixels[-1]
    # Rows that were made equal later break columns that had been, but where both are of one colour.
    flat = {
        "top": (pixels[:4] == pixels[0]).all(),
        "bottom": (pixels[-4:] == pixels[-1]).all(),
        "left": (pixels[:, :4] == pixels[:, :1]).all(),
        "right": (pixels[:, -4:] == pixels[:, -1:]).all(),
    }
    extended, kept = extend_flat_sides(pixels, 5, scale)
    assert extended.shape[0] == 12 + 5 * (int(flat["top"]) + int(flat["bottom"]))
    assert extended.shape[1] == 16 + 5 * (int(flat["left"]) + int(flat["right"]))
    large = extended.repeat(scale, 0).repeat(scale, 1)
    assert (large[kept] == pixels.repeat(scale, 0).repeat(scale, 1)).all()
    assert (extended is pixels) == (not any(flat.values()))


def test_photos_are_left_as_they_are() -> None:
    pixels = noise(12, 16)
    pixels[:3] = pixels[0]  # three rows are too few
    assert extend_flat_sides(pixels, 5, 4)[0] is pixels
    flat = np.zeros((8, 8, 3))
    assert extend_flat_sides(flat, 0, 4)[0] is flat  # for a network that takes images whole


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 3)])
def test_images_thinner_than_a_strip(shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 7, np.uint8)
    extended, kept = extend_flat_sides(pixels, 5, 2)
    assert extended.shape == (shape[0] + 10, shape[1] + 10, 3) and (extended == 7).all()
    large = extended.repeat(2, 0).repeat(2, 1)
    assert large[kept].shape == (2 * shape[0], 2 * shape[1], 3)


def test_what_a_network_makes_of_its_border_is_not_kept() -> None:
    torch.manual_seed(0)
    network = PlainSR(scale=2, width=4, blocks=2).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    pixels = np.full((24, 24, 3), (200, 30, 120), np.uint8)
    extended, kept = extend_flat_sides(pixels, network.reach, 2)
    framed = run_tiled(network, pixels, scale=2, reach=network.reach)
    answer = run_tiled(network, extended, scale=2, reach=network.reach)[kept]

    def cells(y: np.ndarray) -> np.ndarray:
        return y.reshape(24, 2, 24, 2, 3).swapaxes(1, 2).reshape(-1, 2, 2, 3).astype(int)

    assert np.ptp(cells(framed), axis=0).max() > 5  # it makes something up
    assert np.ptp(cells(answer), axis=0).max() <= 1  # here every pixel has the same answer
