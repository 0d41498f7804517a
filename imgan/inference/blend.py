"""Overlapping tiles, blended: for networks whose every output pixel depends on the whole image."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..machine import is_out_of_memory
from .tiles import SMALLEST, Network, OutOfMemory, Run, pad

if TYPE_CHECKING:
    from numpy.typing import NDArray

OVERLAP = 32
"""Pixels over which a tile goes over into the next."""

_STEP = 16
"""Tiles start at multiples of this where the network's size multiple allows: strided convolutions
answer differently in between."""


def run_blended(
    network: Network,
    image: NDArray[Any],
    *,
    tile: int,
    overlap: int = OVERLAP,
    size_multiple: int = 1,
    minimum: int = 1,
    value_range: tuple[float, float] = (0.0, 1.0),
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[Any]:
    """The network's answers to overlapping tiles, each going over smoothly into the next.

    No seam shows, but it is not the answer to the whole image: tiles may differ in tone.

    Args:
        tile: side of the tiles, raised to what the network takes; halved if memory runs out.
        overlap: at least so many pixels are shared by neighbours, at most half a tile.

    The others, the result and the errors are those of `tiles.run_tiled` with a scale of 1.
    """
    run = Run(network, image, 1, value_range, device or torch.device("cpu"), dtype)
    least = fit(max(minimum, min(tile, SMALLEST)), size_multiple)
    side = fit(max(minimum, tile), size_multiple)
    while True:
        try:
            return _blend(run, image, side, overlap, size_multiple, minimum, progress)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if side <= least:
                raise OutOfMemory(run.device, image.shape) from None
            side = max(least, fit(side // 2, size_multiple))


def fit(length: int, multiple: int) -> int:
    """`length` raised to a multiple of `multiple`."""
    return -(-length // multiple) * multiple


def starts(length: int, side: int, overlap: int, step: int = 1) -> list[int]:
    """Where tiles of `side` begin, at multiples of `step`, to cover `length` with that overlap.

    `side` and `length` are multiples of `step`, and `overlap` leaves a step of `side` or more.
    """
    if length <= side:
        return [0]
    stride = (side - overlap) // step * step
    count = -(-(length - side) // stride) + 1
    return [(length - side) * i // (count - 1) // step * step for i in range(count)]


def weights(begin: list[int], side: int, overlap: int) -> list[NDArray[np.float64]]:
    """The weight of each tile at its `side` pixels; at every pixel those of all tiles sum to one.

    A tile goes over into the next along a raised cosine of `overlap` pixels, in the middle of what
    both see, so that what lies nearest to a tile's border is not used.
    """
    x = np.arange(begin[-1] + side) + 0.5
    # Tile i has what is past the i-th passage and not past the next.
    past = [np.ones_like(x)]
    for before, after in pairwise(begin):
        middle = (before + side + after) / 2
        along = np.clip((x - middle) / max(overlap, 1e-9) + 0.5, 0, 1)
        past.append(0.5 - 0.5 * np.cos(np.pi * along))
    past.append(np.zeros_like(x))
    return [(past[i] - past[i + 1])[at : at + side] for i, at in enumerate(begin)]


def _blend(
    run: Run,
    image: NDArray[Any],
    side: int,
    overlap: int,
    multiple: int,
    minimum: int,
    progress: Callable[[int, int], None] | None,
) -> NDArray[Any]:
    # An axis shorter than a tile is seen whole.
    sides = [min(side, fit(max(length, minimum), multiple)) for length in image.shape[:2]]
    step = math.gcd(multiple, _STEP, *(max(1, own // 2) for own in sides))
    lengths = [max(fit(n, step), own) for n, own in zip(image.shape[:2], sides, strict=True)]
    padded = pad(image, lengths[0], lengths[1])
    shared = [min(overlap, own // 2) for own in sides]
    down, across = (starts(*axis, step) for axis in zip(lengths, sides, shared, strict=True))
    rows, columns = (
        [w.astype(np.float32) for w in weights(*axis)]
        for axis in zip((down, across), sides, shared, strict=True)
    )
    out: NDArray[Any] | None = None
    band: NDArray[Any] | None = None  # sums of the rows that are not complete yet
    for i, top in enumerate(down):
        for j, left in enumerate(across):
            seen = padded[top : top + sides[0], left : left + sides[1]]
            answer = run.answer([seen])[0].cpu().numpy()  # [h, w, C'] in [0, 1]
            if band is None:
                band = np.zeros((sides[0], lengths[1], answer.shape[2]), np.float32)
                out = np.empty((lengths[0], lengths[1], answer.shape[2]), image.dtype)
            weight = (rows[i][:, None] * columns[j])[:, :, None]  # [h, w, 1]
            band[:, left : left + sides[1]] += weight * answer
            if progress:
                progress(i * len(across) + j + 1, len(down) * len(across))
        assert band is not None
        assert out is not None
        end = down[i + 1] if i + 1 < len(down) else lengths[0]
        done = end - top
        out[top:end] = _like(band[:done], image.dtype)
        band[: sides[0] - done] = band[done:].copy()
        band[sides[0] - done :] = 0
    assert out is not None
    return out[: image.shape[0], : image.shape[1]]


def _like(values: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in [0, 1] as pixels of `dtype`."""
    values = np.clip(values, 0, 1)
    if dtype.kind == "f":
        return values
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)
